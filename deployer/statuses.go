package deployer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/internal/fault"
)

// Statuses reads many stacks at once: the same few requests for one stack and for
// a hundred. It gives those of stacks that are there; none named means every
// stack on the swarm. Records that cannot be read are an error, as they are for
// one stack.
func (e *Engine) Statuses(ctx context.Context, stacks []string) (map[string]*Status, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	r := reading{wanted: stacks, all: map[string]*Status{}}
	for _, read := range []func(context.Context, *reading) error{e.listServices, e.listTasks, e.listNodes} {
		if err := read(ctx, &r); err != nil {
			return nil, fmt.Errorf("reading the stacks of server %q: %w", e.Server, err)
		}
	}
	r.assemble()
	if len(r.all) == 0 {
		return r.all, nil
	}
	return r.all, e.listRecords(ctx, &r)
}

// reading is what Statuses has read so far.
type reading struct {
	wanted   []string // nil for all
	services []swarm.Service
	tasks    map[string][]swarm.Task // by service ID
	nodes    map[string]string       // ID → name
	all      map[string]*Status
}

// filter narrows a listing by the stacks' label: to the one stack where it is
// one, else to whatever has the label, because two values would have to hold both.
func (r *reading) filter() filters.Args {
	if len(r.wanted) == 1 {
		return byStack(r.wanted[0])
	}
	return filters.NewArgs(filters.Arg("label", NamespaceLabel))
}

func (r *reading) wants(stack string) bool {
	return stack != "" && (len(r.wanted) == 0 || slices.Contains(r.wanted, stack))
}

func (e *Engine) listServices(ctx context.Context, r *reading) (err error) {
	r.services, err = e.api.ServiceList(ctx, swarm.ServiceListOptions{Filters: r.filter(), Status: true})
	r.services = slices.DeleteFunc(r.services, func(s swarm.Service) bool { return !r.wants(s.Spec.Labels[NamespaceLabel]) })
	return err
}

// listTasks lists the tasks of the services' present specs, by the label that they
// keep of their service: a filter by the services' IDs would be as long as the list.
func (e *Engine) listTasks(ctx context.Context, r *reading) error {
	r.tasks = map[string][]swarm.Task{}
	if len(r.services) == 0 {
		return nil
	}
	args := r.filter()
	args.Add("_up-to-date", "true")
	tasks, err := e.api.TaskList(ctx, swarm.TaskListOptions{Filters: args})
	for _, t := range tasks {
		r.tasks[t.ServiceID] = append(r.tasks[t.ServiceID], t)
	}
	return err
}

func (e *Engine) listNodes(ctx context.Context, r *reading) error {
	r.nodes = map[string]string{}
	if len(r.services) == 0 {
		return nil
	}
	nodes, err := e.api.NodeList(ctx, swarm.NodeListOptions{})
	for _, n := range nodes {
		r.nodes[n.ID] = cmp.Or(n.Description.Hostname, n.ID)
	}
	return err
}

// assemble puts services and tasks under their stacks.
func (r *reading) assemble() {
	for _, s := range r.services {
		stack := s.Spec.Labels[NamespaceLabel]
		status, ok := r.all[stack]
		if !ok {
			status = &Status{Stack: stack, Services: []ServiceStatus{}}
			r.all[stack] = status
		}
		status.describe(s.Spec.Labels)
		one := serviceStatus(s, r.tasks[s.ID])
		one.Tasks = r.places(r.tasks[s.ID])
		status.Services = append(status.Services, one)
		status.Since = later(status.Since, s.UpdatedAt)
	}
	for _, status := range r.all {
		slices.SortFunc(status.Services, func(a, b ServiceStatus) int { return cmp.Compare(a.Name, b.Name) })
	}
}

// places are the tasks that run or are on their way, by node.
func (r *reading) places(tasks []swarm.Task) []TaskStatus {
	places := []TaskStatus{}
	for i := range tasks {
		t := &tasks[i]
		if hasEnded(t) || t.DesiredState == swarm.TaskStateShutdown || t.DesiredState == swarm.TaskStateRemove {
			continue
		}
		places = append(places, TaskStatus{
			Task: t.ID, Node: cmp.Or(r.nodes[t.NodeID], t.NodeID), State: string(t.Status.State), Since: t.Status.Timestamp, Error: oneLine(t.Status.Err),
		})
	}
	slices.SortFunc(places, func(a, b TaskStatus) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Task, b.Task))
	})
	return places
}

// listRecords adds what galley keeps on the swarm: locks, journals, histories.
func (e *Engine) listRecords(ctx context.Context, r *reading) error {
	only := ""
	if len(r.wanted) == 1 {
		only = r.wanted[0]
	}
	for _, kind := range []recordKind{recordLock, recordJournal, recordRestore, recordHistory} {
		configs, err := e.records(ctx, kind, only)
		if err != nil {
			return fmt.Errorf("reading the %s of the stacks of server %q: %w", kind, e.Server, err)
		}
		for _, c := range configs {
			status, ok := r.all[c.Spec.Labels[labelStack]]
			if !ok {
				continue
			}
			if err := e.addRecord(ctx, status, kind, c); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *Engine) addRecord(ctx context.Context, status *Status, kind recordKind, c swarm.Config) error {
	switch kind {
	case recordJournal:
		status.Unfinished = true
	case recordRestore:
		var r Restoring
		if err := decodeRecord(c, &r); err != nil {
			return err
		}
		status.Unfinished = true
		if c.Spec.Labels[labelPhase] != phaseDone {
			status.Restoring = r.Run
		}
	case recordLock:
		var holder Holder
		if err := decodeRecord(c, &holder); err != nil {
			return err
		}
		beating, err := e.beats(ctx, c)
		status.Lock = &LockStatus{Owner: holder.Owner, Reason: holder.Reason, Since: holder.Since, Stale: !beating || holder.died()}
		return err
	case recordHistory:
		var record Record
		if err := decodeRecord(c, &record); err != nil {
			return err
		}
		if status.Last == nil || record.Number > status.Last.Number {
			status.Last, status.recorded = &record, c.CreatedAt
		}
		if record.Entry != "" && record.Verdict == Converged && record.Catalogue.Fingerprint != "" && record.Number > status.source {
			status.Catalogue, status.source = record.Catalogue.Fingerprint, record.Number
		}
	}
	return nil
}

// Status reads a stack's services, tasks and records. A stack that is not there is
// an error.
func (e *Engine) Status(ctx context.Context, stack string) (*Status, error) {
	all, err := e.Statuses(ctx, []string{stack})
	if err != nil {
		return nil, err
	}
	if status, ok := all[stack]; ok {
		return status, nil
	}
	err = fault.New(fault.Unavailable, "there is no stack %q on server %q", stack, e.Server)
	return nil, fault.Hint(err, "galley app deploy brings it there")
}

// TaskStatus is where one task runs, or is about to.
type TaskStatus struct {
	Task  string    `json:"task"` // ID
	Node  string    `json:"node"` // name, "" while none is chosen
	State string    `json:"state"`
	Since time.Time `json:"since"` // by the node's clock
	Error string    `json:"error"` // why it waits, "" when nothing is said
}

// LockStatus is who holds a stack's lock.
type LockStatus struct {
	Owner  string    `json:"owner"` // user@host
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
	Stale  bool      `json:"stale"` // the holder is gone: the next deploy takes it over
}
