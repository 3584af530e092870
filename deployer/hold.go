package deployer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/internal/fault"
)

// Hold is a stack under its lock, for work on what its services use: nobody deploys it
// meanwhile. Stop stops services, with a journal of what stood; Resume puts that back,
// and a Deploy that is given the hold goes on from there. When galley dies meanwhile the
// journal stays, as that of a deploy that did not end.
type Hold struct {
	// Stopped are the full names of the services that were stopped, sorted.
	Stopped []string

	engine    *Engine
	stack     string
	options   HoldOptions
	lock      *Lock
	journal   *Journal
	journalID string
	writer    *writer
	started   time.Time
}

// HoldOptions are what a hold may be told.
type HoldOptions struct {
	// Reason is told to who meets the lock.
	Reason string
	// Takeover says that a journal of an earlier deploy may stand when services are
	// stopped: what it names is what Resume puts back then; and so may a restore that
	// did not end. Without it both are refused.
	Takeover bool
	// Limits bound the wait for services that are started again.
	Limits      Limits
	Credentials Credentials
	Report      func(Event)
	// Abort, when it ends, gives up requests that are under way; nil never does.
	Abort context.Context
}

// pausedConstraint is met by no node: it stops a global service, which has no replicas.
const pausedConstraint = "node.labels.galley.paused==yes"

// Hold takes a stack's lock, and ends what a holder that died has left at work; the stack
// need not be there. Resume or Close must follow.
func (e *Engine) Hold(ctx context.Context, stack string, o HoldOptions) (*Hold, error) {
	lock, _, err := e.Lock(ctx, stack, o.Reason)
	if err != nil {
		return nil, err
	}
	err = e.endOrphans(ctx, stack)
	if err == nil {
		err = e.settleRestoring(ctx, stack, o.Takeover)
	}
	if err != nil {
		return nil, errors.Join(err, lock.Release(ctx))
	}
	return &Hold{engine: e, stack: stack, options: o, lock: lock, started: time.Now()}, nil
}

// Check fails when the lock is not held any more.
func (h *Hold) Check(ctx context.Context) error { return h.lock.Check(ctx) }

// Stop journals what stands and stops services, by full names, all for nil: none of
// their tasks runs when it returns, but for those of jobs, which end by themselves. On
// an error some may have been stopped: Resume starts them again.
func (h *Hold) Stop(ctx context.Context, services []string) error {
	current, err := h.engine.Current(ctx, h.stack, nil)
	if err != nil {
		return err
	}
	h.writer = newWriter(h.engine, current, h.lock, h.options.Credentials)
	h.writer.abort = h.options.Abort
	unwell, err := h.engine.unwell(ctx, h.stack)
	if err != nil {
		return fmt.Errorf("reading the services: %w", err)
	}
	names := sortedKeys(current.Services)
	if services != nil {
		names = slices.DeleteFunc(names, func(name string) bool { return !slices.Contains(services, name) })
	}
	plan := &Plan{Recipe: current.Recipe(), From: current.Version(), To: current.Version()}
	fresh := newJournal(current, plan, unwell)
	fresh.Held = true
	journal, id, resumed, err := h.engine.openJournal(ctx, fresh, len(names) > 0)
	if err != nil {
		return err
	}
	if resumed && !h.options.Takeover {
		err := fault.New(fault.Unavailable, "a deploy of %s to %s by %s was left unfinished", journal.Recipe, journal.To, journal.By)
		return fault.Hint(err, "galley app deploy brings it to an end first")
	}
	h.journal, h.journalID = journal, id
	err = h.stopServices(ctx, current, names)
	if err != nil && !h.writer.wrote && !resumed { // the journal was written for nothing
		h.journalID = ""
		err = errors.Join(err, h.engine.removeRecord(context.WithoutCancel(ctx), id))
	}
	return err
}

func (h *Hold) stopServices(ctx context.Context, current *Stack, names []string) error {
	stopped := map[string]bool{}
	for _, name := range names {
		have := current.Services[name]
		spec, ok := stoppedSpec(have.Spec)
		if !ok {
			continue
		}
		h.say("stop service %s", name)
		refuse := func(swarm.ServiceSpec) error { return nil } // what it is meanwhile, it is to stop
		if err := h.writer.overwrite(ctx, have, spec, "", refuse); err != nil {
			return err
		}
		h.Stopped = append(h.Stopped, name)
		stopped[have.ID] = true
	}
	if len(stopped) == 0 {
		return nil
	}
	return h.engine.awaitEnded(ctx, h.stack, stopped)
}

// stoppedSpec is a spec under which no task runs; ok is false for a job, which
// ends by itself.
func stoppedSpec(spec swarm.ServiceSpec) (stopped swarm.ServiceSpec, ok bool) {
	stopped = copySpec(spec)
	none := uint64(0)
	switch {
	case spec.Mode.Replicated != nil:
		stopped.Mode.Replicated.Replicas = &none
	case spec.Mode.Global != nil:
		if stopped.TaskTemplate.Placement == nil {
			stopped.TaskTemplate.Placement = &swarm.Placement{}
		}
		if !slices.Contains(stopped.TaskTemplate.Placement.Constraints, pausedConstraint) {
			stopped.TaskTemplate.Placement.Constraints = append(stopped.TaskTemplate.Placement.Constraints, pausedConstraint)
		}
	default:
		return spec, false
	}
	return stopped, true
}

// Resume is Start, and gives the lock back.
func (h *Hold) Resume(ctx context.Context) error {
	defer h.Close(ctx)
	return h.Start(ctx)
}

// Recover starts services again that a hold had stopped whose galley died, and tells
// whether there was one. A deploy that did not end is left to the next deploy.
func (h *Hold) Recover(ctx context.Context) (bool, error) {
	journal, id, err := h.engine.readJournal(ctx, h.stack)
	if err != nil || journal == nil || !journal.Held {
		return false, err
	}
	current, err := h.engine.Current(ctx, h.stack, nil)
	if err != nil {
		return false, err
	}
	h.journal, h.journalID = journal, id
	h.writer = newWriter(h.engine, current, h.lock, h.options.Credentials)
	h.writer.abort = h.options.Abort
	return true, h.Start(ctx)
}

// Untouched tells that nothing of the stack was changed under the hold, or that all is back.
func (h *Hold) Untouched() bool { return h.journalID == "" }

// Start puts the whole stack back to what stood before services were stopped, and waits
// until it runs. It is fault.Left when the stack is not back.
func (h *Hold) Start(ctx context.Context) error {
	if h.journalID == "" {
		return nil // nothing was stopped
	}
	defer h.engine.bePatient(h.options.Abort)()
	h.say("start services again: %s", strings.Join(h.journal.names(), ", "))
	h.writer.own = func(name string) (Network, bool) {
		options, own := h.journal.NetworkOptions[name]
		return Network{Name: name, Options: options}, own
	}
	limits := h.options.Limits
	b := &backer{
		writer: h.writer, journal: h.journal, whole: true, report: h.options.Report, started: h.started,
		limits: Limits{Converge: max(limits.Converge, DefaultConverge), Pull: max(limits.Pull, DefaultPull)},
	}
	if err := b.putBack(ctx); err != nil {
		err = fault.Wrap(fault.Left, fmt.Errorf("stack %q is not back: %w", h.stack, err))
		return fault.Hint(err, "galley app status tells what runs; the next deploy starts from the journal")
	}
	err := h.engine.removeRecord(ctx, h.journalID)
	if err == nil {
		h.journalID, h.Stopped = "", nil
	}
	return err
}

// Close gives the lock back and leaves everything as it stands. What was stopped stays
// so, and its journal with it, unless Resume or the end of a restore has ended that.
func (h *Hold) Close(ctx context.Context) {
	if h.lock != nil {
		_ = h.lock.Release(ctx)
		h.lock = nil
	}
}

func (h *Hold) say(format string, args ...any) {
	if h.options.Report != nil {
		h.options.Report(Event{Stage: "stop", Nodes: []string{}, Message: oneLine(fmt.Sprintf(format, args...)), Elapsed: time.Since(h.started)})
	}
}
