package deployer

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"
)

// watch waits until every service is settled or one is broken. All services are
// looked at together, in two requests a look. A look follows an event, and comes
// at least every lookLate: swarm sends no events of tasks.
type watch struct {
	engine *Engine
	want   map[string]Expectation // by service ID
	names  map[string]string      // ID to name
	limits Limits
	clock  time.Duration // the swarm's clock minus ours
	stage  string
	report func(Event)
	held   map[string]int // looks, by service ID, in which only swarm's update was not over
}

// unreachableFor is how long an engine may be out of reach during a watch: one
// that restarts, or a manager that takes over, is back by then.
const unreachableFor = time.Minute

// watched is what a watch ends with.
type watched struct {
	verdict  Verdict
	reason   string
	progress map[string]Progress // by service name, as last seen
}

func (w *watch) run(ctx context.Context) (watched, error) {
	if len(w.want) == 0 {
		return watched{verdict: Converged, progress: map[string]Progress{}}, nil
	}
	w.begin()
	listening, stop := context.WithCancel(ctx)
	defer stop()
	changed := w.listen(listening)
	start, last, seen := time.Now(), time.Now(), time.Now()
	var spent clocks
	var pacing pace
	v := newViewer(w)
	progress := map[string]Progress{}
	for {
		looked, err := w.look(ctx)
		switch {
		case ctx.Err() != nil:
			return watched{verdict: Stopped, reason: "interrupted", progress: progress}, nil
		case err != nil && time.Since(seen) > unreachableFor:
			return watched{progress: progress}, fmt.Errorf("watching the services: %w", err)
		case err == nil:
			seen, progress = time.Now(), looked
			v.nameNodes(ctx, progress)
			end, done := conclude(progress)
			v.show(listening, progress, time.Since(start))
			if done {
				return end, nil
			}
		}
		spent.add(time.Since(last), progress)
		last = time.Now()
		if reason := w.limits.overdue(spent, progress); reason != "" {
			return watched{verdict: TimedOut, reason: reason, progress: progress}, nil
		}
		pacing.wait(ctx, changed, progress, time.Now().Add(w.clock))
	}
}

// begin notes when the watch began, by the swarm's clock.
func (w *watch) begin() {
	now := time.Now().Add(w.clock)
	for id, want := range w.want {
		want.From = now
		w.want[id] = want
	}
}

// look reads services and tasks, and judges each service. What would be the end of a
// watch that converged is looked at once more, on the nodes.
func (w *watch) look(ctx context.Context) (map[string]Progress, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	services, err := w.engine.api.ServiceList(ctx, swarm.ServiceListOptions{Filters: newFilter("id", sortedKeys(w.want)), Status: true})
	if err != nil {
		return nil, err
	}
	tasks, err := w.engine.upToDate(ctx, services)
	if err != nil {
		return nil, err
	}
	now := time.Now().Add(w.clock)
	seen, progress := map[string]Observation{}, map[string]Progress{}
	for _, service := range services {
		name, want := w.names[service.ID], w.want[service.ID]
		o := Observation{Service: service, Tasks: tasks[service.ID], Slots: slotsOf(service), Foreign: want.foreign(service)}
		p := judge(o, want, now)
		if w.isHeld(ctx, o, p) {
			o.Service.UpdateStatus = updateOver(o.Service.UpdateStatus)
			p = judge(o, want, now)
		}
		seen[name], progress[name] = o, p
	}
	for id, name := range w.names {
		if _, ok := progress[name]; !ok {
			progress[name] = Progress{Phase: Broken, Reason: fmt.Sprintf("the service (%s) is gone: someone removed it", id)}
		}
	}
	if w.engine.looked != nil {
		w.engine.looked(w, seen, now)
	}
	return progress, w.believe(ctx, progress)
}

// upToDate lists the tasks of the services' present specs, by service. The
// filter is the engine's own way to tell them, unlisted in its documentation
// and used by the docker CLI for the same. Services must be there: the engine
// answers 404 to a filter by one that is not.
func (e *Engine) upToDate(ctx context.Context, services []swarm.Service) (map[string][]swarm.Task, error) {
	byService := map[string][]swarm.Task{}
	if len(services) == 0 {
		return byService, nil
	}
	args := filters.NewArgs(filters.Arg("_up-to-date", "true"))
	for _, s := range services {
		args.Add("service", s.ID)
	}
	tasks, err := e.api.TaskList(ctx, swarm.TaskListOptions{Filters: args})
	if err != nil {
		return nil, err
	}
	for _, t := range tasks {
		byService[t.ServiceID] = append(byService[t.ServiceID], t)
	}
	return byService, nil
}

// clockOffset is the swarm's clock minus this machine's, or up to one round trip
// less: nothing is believed before its time because an engine was slow to tell it.
func (e *Engine) clockOffset(ctx context.Context) (time.Duration, error) {
	theirs, err := e.swarmTime(ctx)
	if err != nil {
		return 0, err
	}
	return time.Until(theirs), nil
}

// swarmTime is the manager's clock.
func (e *Engine) swarmTime(ctx context.Context) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	info, err := e.api.Info(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("asking the engine for its clock: %w", err)
	}
	theirs, err := time.Parse(time.RFC3339Nano, info.SystemTime)
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the engine's clock %q: %w", info.SystemTime, err)
	}
	return theirs, nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
