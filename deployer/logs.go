package deployer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/internal/fault"
)

// LogOptions say which lines of a stack's logs to read.
type LogOptions struct {
	Services []string // full names or the compose file's; none means all
	Follow   bool     // go on until ctx ends, with the tasks that come
	// Since leaves out what is older: a moment, or a time before now by the
	// engine's clock. Both zero leave out nothing.
	Since time.Time
	Ago   time.Duration
	// Tail keeps the last lines of all services together, of what there is at the
	// start; 0 keeps all.
	Tail int
	// Note is told what could not be read, a line each, by one goroutine at a time;
	// nil to not be told.
	Note func(string)
	// Began is told the full names of the services that are read, before the first
	// line; nil to not be told.
	Began func(services []string)
}

// MaxTail bounds LogOptions.Tail, in lines: they are held in memory.
const MaxTail = 10_000

const (
	// logPatience is how long a line may be late and still be put in its place.
	logPatience = 500 * time.Millisecond
	// newTasksEvery is how often a followed stack is asked for new tasks; swarm has
	// no events for them.
	newTasksEvery = 2 * time.Second
	// lastWords is how long an ended task's log is read on for.
	lastWords = 3 * time.Second
)

// Logs gives the lines of a stack's tasks to emit, merged by time. Without Follow
// it ends with the last one; with it, when ctx does, which is no error. A stack or
// a service that is not there is an error, also when it goes while it is followed.
// What emit returns ends it.
func (e *Engine) Logs(ctx context.Context, stack string, o LogOptions, emit func(LogLine) error) error {
	standing, err := e.Standing(ctx, stack)
	if err != nil {
		return err
	}
	if note := o.Note; note != nil {
		var one sync.Mutex
		o.Note = func(text string) { one.Lock(); defer one.Unlock(); note(text) }
	}
	r := &logRun{engine: e, stack: stack, options: o, services: map[string]bool{}, seen: map[string]context.CancelFunc{}, nodes: map[string]string{}}
	for _, service := range o.Services {
		full, err := standing.service(service)
		if err != nil {
			return err
		}
		r.services[full] = true
	}
	if o.Began != nil {
		services := sortedKeys(r.services)
		if len(services) == 0 {
			services = sortedKeys(standing.Stack.Services)
		}
		o.Began(services)
	}
	if o.Ago > 0 {
		clock, err := e.clockOffset(ctx)
		if err != nil {
			return err
		}
		r.options.Since = time.Now().Add(clock).Add(-o.Ago)
	}
	err = r.run(ctx, emit)
	if o.Follow && ctx.Err() != nil {
		return nil
	}
	return err
}

// logRun is one reading of a stack's logs.
type logRun struct {
	engine   *Engine
	stack    string
	options  LogOptions
	services map[string]bool // empty for all
	merger   merger
	seen     map[string]context.CancelFunc // by task
	nodes    map[string]string             // names by ID
}

func (r *logRun) run(ctx context.Context, emit func(LogLine) error) error {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	tail := &tailer{size: r.options.Tail, emit: emit}
	if r.options.Follow {
		tail.until = time.Now().Add(tailFor)
	}
	r.merger = merger{added: make(chan *logSource), wake: make(chan struct{}, 1), follow: r.options.Follow, patience: logPatience, idle: tail.flush}
	found := make(chan error, 1)
	go func() {
		defer close(r.merger.added)
		err := r.find(inner)
		if found <- err; err != nil {
			_ = pause(inner, time.Second) // what the tasks said last is on its way
			cancel()
		}
	}()
	err := r.merger.run(inner, tail.add)
	if err == nil {
		err = tail.flush()
	}
	cancel()
	if lost := <-found; lost != nil {
		return lost
	}
	return err
}

// find adds the tasks that there are and, while it follows, those that come.
func (r *logRun) find(ctx context.Context) error {
	for first := true; ; first = false {
		tasks, names, err := r.tasks(ctx)
		if err != nil {
			return err
		}
		for _, t := range tasks {
			r.consider(ctx, &t, names[t.ServiceID], first)
		}
		if first {
			select {
			case r.merger.added <- nil:
			case <-ctx.Done():
			}
		}
		if !r.options.Follow {
			return nil
		}
		if pause(ctx, newTasksEvery) != nil {
			return nil
		}
	}
}

// tasks are the tasks of the services that are read, in a stable order.
func (r *logRun) tasks(ctx context.Context) ([]swarm.Task, map[string]swarm.Service, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	services, err := r.engine.api.ServiceList(ctx, swarm.ServiceListOptions{Filters: byStack(r.stack)})
	if err != nil {
		return nil, nil, fmt.Errorf("reading the services of stack %q: %w", r.stack, err)
	}
	names := map[string]swarm.Service{}
	var ids []string
	for _, s := range services {
		if len(r.services) == 0 || r.services[s.Spec.Name] {
			names[s.ID] = s
			ids = append(ids, s.ID)
		}
	}
	if len(ids) == 0 {
		return nil, nil, fault.New(fault.Unavailable, "the stack %q is gone", r.stack)
	}
	tasks, err := r.engine.api.TaskList(ctx, swarm.TaskListOptions{Filters: newFilter("service", ids)})
	if err != nil {
		return nil, nil, fmt.Errorf("reading the tasks of stack %q: %w", r.stack, err)
	}
	return worthReading(tasks), names, nil
}

// worthReading are the tasks that have a container and did not end, and of each
// slot the last that ended: a connection is needed for each, and over ssh that is
// a process. They are in a stable order.
func worthReading(tasks []swarm.Task) []swarm.Task {
	tasks = slices.DeleteFunc(tasks, func(t swarm.Task) bool {
		return t.Status.ContainerStatus == nil || t.Status.ContainerStatus.ContainerID == ""
	})
	slices.SortFunc(tasks, func(a, b swarm.Task) int { return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID)) })
	last := map[string]bool{}
	tasks = slices.DeleteFunc(tasks, func(t swarm.Task) bool {
		slot := fmt.Sprint(t.ServiceID, " ", t.Slot)
		if t.Slot == 0 {
			slot += t.NodeID
		}
		again := last[slot]
		if hasEnded(&t) {
			last[slot] = true
		}
		return again && hasEnded(&t)
	})
	slices.Reverse(tasks)
	return tasks
}

// consider starts to read a task's log once it has a container, and gives one that
// was followed and has ended a moment for its last words.
func (r *logRun) consider(ctx context.Context, t *swarm.Task, s swarm.Service, first bool) {
	stop, known := r.seen[t.ID]
	switch {
	case known && stop != nil && hasEnded(t):
		r.seen[t.ID] = nil
		time.AfterFunc(lastWords, stop)
	case known:
	default:
		follow := r.options.Follow && !hasEnded(t)
		reading, cancel := context.WithCancel(ctx)
		r.seen[t.ID] = nil
		if follow {
			r.seen[t.ID] = cancel
		}
		line := LogLine{Service: s.Spec.Name, Slot: t.Slot, Task: t.ID, Node: r.node(ctx, t.NodeID)}
		tty := t.Spec.ContainerSpec != nil && t.Spec.ContainerSpec.TTY
		source := &logSource{lines: make(chan LogLine, logBuffer)}
		select {
		case r.merger.added <- source:
			go func() {
				defer cancel()
				defer r.merger.poke()
				defer close(source.lines)
				r.read(reading, source, line, tty, follow, first)
			}()
		case <-ctx.Done():
			cancel()
		}
	}
}

func (r *logRun) node(ctx context.Context, id string) string {
	if _, ok := r.nodes[id]; !ok {
		r.nodes[id] = r.engine.nodeName(ctx, id)
	}
	return r.nodes[id]
}

// read reads one task's log. That of a task that came later is read whole.
func (r *logRun) read(ctx context.Context, source *logSource, line LogLine, tty, follow, first bool) {
	o := container.LogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Follow: follow}
	if first && r.options.Tail > 0 {
		o.Tail = strconv.Itoa(r.options.Tail)
	}
	if since := r.options.Since; first && !since.IsZero() {
		o.Since = fmt.Sprintf("%d.%09d", since.Unix(), since.Nanosecond())
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := errors.New("its node does not answer")
	watchdog := time.AfterFunc(requestTimeout, func() { cancel(late) })
	defer watchdog.Stop()
	stream, err := r.engine.api.TaskLogs(ctx, line.Task, o)
	if err == nil {
		defer stream.Close()
		if follow {
			watchdog.Stop() // it may have nothing to say for long
		}
		err = r.pass(ctx, source, newLogReader(stream, tty), line, watchdog, follow)
	}
	if cause := context.Cause(ctx); errors.Is(cause, late) {
		err = cause
	}
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) || r.options.Note == nil {
		return
	}
	r.options.Note(fmt.Sprintf("the log of %s, task %s on node %s, ends early: %s", line.Service, shortTask(line.Task), line.Node, oneLine(err.Error())))
}

func (r *logRun) pass(ctx context.Context, source *logSource, reader *logReader, line LogLine, watchdog *time.Timer, follow bool) error {
	var last time.Time
	for {
		at, stream, text, err := reader.next()
		if err != nil {
			return err
		}
		if !follow {
			watchdog.Reset(requestTimeout)
		}
		if at.IsZero() {
			at = last // what has no stamp stays where it was written
		}
		last = at
		line.Time, line.Stream, line.Line = at, stream, strings.ToValidUTF8(text, "\ufffd")
		select {
		case source.lines <- line:
			r.merger.poke()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func shortTask(id string) string { return id[:min(len(id), 12)] }
