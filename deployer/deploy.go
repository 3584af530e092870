package deployer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/client"

	"github.com/galley-coop/galley/internal/fault"
)

// DeployOptions are what a deploy may be told beside what to deploy.
type DeployOptions struct {
	// Limits bound the watch; zero ones come from the recipe or the defaults.
	Limits      Limits
	Credentials Credentials
	// Report shows progress; nil shows none. It is called from one goroutine.
	Report func(Event)
	// Hurry ends when the user does not want to wait for a put-back any more,
	// Abort when everything is to stop at once. nil means never.
	Hurry, Abort context.Context
	// Catalogue is what the entry was read from, for the history.
	Catalogue CatalogueMark
	// World is what a saved plan was made from, nil for a plan that was made just
	// now: a stack that moved since is refused.
	World World
	// Operation is what the operator asked for; "" is OpDeploy.
	Operation Operation
	// OnFailure is what becomes of a stack whose deploy failed; "" is PutBack.
	OnFailure OnFailure
	// Hold is the stack's own, where its services were stopped: the deploy goes on
	// under its lock, which stays with it, and from its journal, which ends with Done. nil
	// for none.
	Hold *Hold
}

// OnFailure is what becomes of a stack whose deploy failed.
type OnFailure string

// What a failed deploy may leave. A first deploy that is put back is removed.
const (
	PutBack OnFailure = "put-back"
	// Leave keeps what was written, for a human to look at; the journal stays, and
	// the next deploy starts from it.
	Leave OnFailure = "leave"
)

// deploy is one deploy on its way.
type deploy struct {
	*writer
	desired *Desired
	plan    *Plan
	before  *Stack
	after   *Stack // what stood when it was verified
	journal *Journal
	// resumed says that the journal is of an earlier deploy, which did not end.
	resumed bool
	options DeployOptions
	limits  Limits
	started time.Time
	clock   time.Duration
	unwell  []string
	warned  []string // what went wrong before the first write
	known   map[string]bool
	want    map[string]Expectation
	names   map[string]string
}

// Deploy brings the wanted stack to the swarm under the stack's lock: it checks
// that shown, the plan the operator agreed to (nil: none was shown), still
// holds, journals what stands, writes, watches, verifies, and puts the whole
// stack back when any of that fails.
//
// The error is for a deploy that changed nothing; it is fault.Interrupted when
// ctx ended before the first write. From the first write on the Outcome tells
// how it ended, also when ctx was cancelled: then the stack is put back before
// Deploy returns.
func (e *Engine) Deploy(ctx context.Context, desired *Desired, shown *Plan, options DeployOptions) (Outcome, error) {
	outcome, err := e.deploy(ctx, desired, shown, options)
	if err != nil && ctx.Err() != nil {
		err = fault.New(fault.Interrupted, "interrupted before anything was changed")
	}
	return outcome, err
}

func (e *Engine) deploy(ctx context.Context, desired *Desired, shown *Plan, options DeployOptions) (Outcome, error) {
	defer e.bePatient(options.Abort)()
	defer e.scout(ctx)()
	lock, takeover, release, err := e.lockFor(ctx, desired, options)
	if err != nil {
		return Outcome{}, err
	}
	defer release()
	d := &deploy{
		desired: desired, options: options, limits: options.Limits, started: time.Now(),
		want: map[string]Expectation{}, names: map[string]string{},
	}
	d.limits.Converge = cmp.Or(d.limits.Converge, desired.Timeout, patienceFor(desired.Stack))
	if takeover != "" {
		d.say("apply", "the lock of %s, who is gone, was taken over", takeover)
	}
	if err := d.prepareFrom(ctx, e, lock, shown); err != nil {
		return Outcome{}, err
	}
	journal, journalID, resumed, err := e.openJournal(ctx, newJournal(d.before, d.plan, d.unwell), !d.plan.Empty())
	if err != nil {
		return Outcome{}, err
	}
	d.journal, d.resumed = journal, resumed
	if journal.Partial {
		d.warned = append(d.warned, "the stack's configs do not fit into the journal: one that is removed meanwhile could not be made again")
		d.say("warning", "%s", d.warned[0])
	}
	if resumed && options.Hold == nil {
		d.say("apply", "an earlier deploy of %s to %s by %s did not end; what stood before it is what would be put back", journal.Recipe, journal.To, journal.By)
	}
	return d.run(ctx, journalID)
}

// lockFor takes the lock of a deploy, or goes on under that of a hold. A stack whose
// volumes are half restored is not deployed: its services would run on them.
func (e *Engine) lockFor(ctx context.Context, desired *Desired, options DeployOptions) (lock *Lock, takeover string, release func(), err error) {
	stack := desired.Stack.Name
	if options.Hold != nil {
		return options.Hold.lock, "", func() {}, nil
	}
	lock, takeover, err = e.Lock(ctx, stack, string(cmp.Or(options.Operation, OpDeploy))+" of "+desired.Recipe+" "+desired.Version)
	if err != nil {
		return nil, "", nil, err
	}
	release = func() { _ = lock.Release(ctx) }
	if err := e.settleRestoring(ctx, stack, false); err != nil {
		release()
		return nil, "", nil, err
	}
	return lock, takeover, release, nil
}

// prepareFrom reads the swarm under the lock and plans anew.
func (d *deploy) prepareFrom(ctx context.Context, e *Engine, lock *Lock, shown *Plan) (err error) {
	if d.before, err = e.Current(ctx, d.desired.Stack.Name, d.desired.Stack); err != nil {
		return err
	}
	if w := d.options.World; w != nil {
		if says := w.differences(WorldOf(d.desired, d.before)); len(says) > 0 {
			return outdated(says)
		}
	}
	d.desired = d.desired.against(d.before)
	if d.plan, err = NewPlan(d.desired, d.before); err != nil {
		return err
	}
	if shown != nil && !samePlan(shown, d.plan) {
		err := fault.New(fault.Unavailable, "stack %q changed since the plan was made: %s", d.desired.Stack.Name, strings.Join(differentChanges(shown, d.plan), ", "))
		return fault.Hint(err, "run it again, and look at the new plan")
	}
	if d.known, err = e.taskIDs(ctx, d.before); err != nil {
		return fmt.Errorf("reading the tasks: %w", err)
	}
	if d.unwell, err = e.unwell(ctx, d.before.Name); err != nil {
		return fmt.Errorf("reading the services: %w", err)
	}
	if d.clock, err = e.clockOffset(ctx); err != nil {
		return err
	}
	d.writer = newWriter(e, d.before, lock, d.options.Credentials)
	d.abort = d.options.Abort
	d.own = func(name string) (Network, bool) {
		n, own := d.desired.Stack.Networks[name]
		return n, own && !n.External
	}
	return nil
}

func samePlan(a, b *Plan) bool {
	x, errX := json.Marshal(a.Changes)
	y, errY := json.Marshal(b.Changes)
	return errX == nil && errY == nil && string(x) == string(y)
}

// run does everything behind the journal.
func (d *deploy) run(ctx context.Context, journalID string) (Outcome, error) {
	outcome := d.bring(ctx)
	d.sayMoved()
	// What follows must happen whether or not the user pressed ctrl-C.
	after, stop := d.untilAbort(ctx)
	defer stop()
	if outcome.Verdict == Stopped && !d.wrote && !d.resumed {
		return Outcome{}, cmp.Or(d.endJournal(after, journalID), ctx.Err())
	}
	if outcome.Verdict != Converged {
		d.restore(after, &outcome)
	}
	outcome.Duration = time.Since(d.started)
	outcome.Warnings = append(append([]string{}, d.warned...), outcome.Warnings...) // never null in JSON
	d.sayMoved()
	outcome.hide(&d.desired.mask)
	if err := d.engine.remember(after, d.stack, d.record(outcome)); err != nil {
		d.warn(&outcome, "the history could not be written: %v", err)
	}
	d.close(after, journalID, &outcome)
	return outcome, nil
}

// close removes the journal of a stack that is new or back, and of a new one
// what nothing needs any more. What fails here is no part of the verdict.
func (d *deploy) close(ctx context.Context, journalID string, outcome *Outcome) {
	if outcome.State != StateNew && outcome.State != StatePrevious {
		return
	}
	if d.options.Hold != nil {
		return // what follows may fail, too, and then all that stood before it comes back
	}
	if err := d.endJournal(ctx, journalID); err != nil {
		d.warn(outcome, "the journal could not be removed: %v", err)
		return
	}
	if outcome.State != StateNew || d.after == nil {
		return
	}
	var err error
	if outcome.Pruned, err = d.prune(ctx, d.after); err != nil {
		d.warn(outcome, "old configs could not be removed: %v", err)
	}
}

// endJournal removes the journal. When the lock was taken away it is taken once
// more for that: whoever has it by now may count on the journal, and where nobody
// has it the journal would have the next deploy put back what stood long before.
func (d *deploy) endJournal(ctx context.Context, id string) error {
	if id == "" {
		return nil
	}
	err := d.lock.Check(ctx)
	if errors.Is(err, errLockLost) {
		var lock *Lock
		if lock, _, err = d.engine.Lock(ctx, d.stack, "the end of a deploy"); err == nil {
			defer func() { _ = lock.Release(ctx) }()
		}
	}
	if err != nil {
		return err
	}
	return d.engine.removeRecord(ctx, id)
}

// warn tells what went wrong beside the verdict.
func (d *deploy) warn(outcome *Outcome, format string, args ...any) {
	text := oneLine(fmt.Sprintf(format, args...))
	outcome.Warnings = append(outcome.Warnings, text)
	d.say("warning", "%s", text)
}

// untilAbort is a context that ctrl-C does not end, but Abort does.
func (d *deploy) untilAbort(ctx context.Context) (context.Context, context.CancelFunc) {
	after, cancel := context.WithCancel(context.WithoutCancel(ctx))
	if d.options.Abort == nil {
		return after, cancel
	}
	release := context.AfterFunc(d.options.Abort, cancel)
	return after, func() { release(); cancel() }
}

// restore puts the stack back and says in the outcome what it is now.
func (d *deploy) restore(ctx context.Context, outcome *Outcome) {
	if !d.wrote && !d.resumed {
		outcome.State = StatePrevious // nothing was written: it never left
		return
	}
	if d.options.OnFailure == Leave {
		d.say("put back", "%s; the stack is left as it is", outcome.Why())
		outcome.State = StateMixed
		return
	}
	d.say("put back", "%s; putting the stack back", outcome.Why())
	// A short patience is for what is new. What is given up here stays broken, and
	// who cannot wait has Hurry.
	limits := Limits{Converge: max(d.limits.Converge, DefaultConverge), Pull: max(d.limits.Pull, DefaultPull)}
	d.own = func(name string) (Network, bool) {
		options, own := d.journal.NetworkOptions[name]
		return Network{Name: name, Options: options}, own
	}
	b := &backer{
		writer: d.writer, journal: d.journal, whole: d.resumed,
		hurry: d.options.Hurry, limits: limits, report: d.options.Report, started: d.started,
	}
	err := b.putBack(ctx)
	outcome.State = stateAfter(ctx, err)
	if err != nil {
		outcome.Reason += "; putting back: " + oneLine(err.Error())
	}
}

// stateAfter is what a put-back that ended so leaves: mixed when the swarm said
// no, unknown when nobody could look.
func stateAfter(ctx context.Context, err error) StateAfter {
	switch {
	case err == nil:
		return StatePrevious
	case ctx.Err() != nil, errors.Is(err, errNotAwaited), errors.Is(err, errLockLost),
		errors.Is(err, context.DeadlineExceeded), client.IsErrConnectionFailed(err), errdefs.IsUnavailable(err):
		return StateUnknown
	}
	return StateMixed
}

func (d *deploy) record(o Outcome) Record {
	changed := 0
	for _, c := range d.plan.Changes {
		if c.Action != Keep {
			changed++
		}
	}
	token := d.journal.Token
	if d.options.Hold != nil { // the journal's end is not that of this deploy
		token = ""
	}
	return Record{
		When: d.started.UTC().Truncate(time.Second), By: Operator(), Operation: cmp.Or(d.options.Operation, OpDeploy), Recipe: d.desired.Recipe, From: d.plan.From, To: d.desired.Version,
		Entry: d.desired.EntryDigest, Catalogue: d.options.Catalogue, Verdict: o.Verdict, State: o.State, Reason: o.Reason,
		Changed: changed, Plan: strings.TrimSpace(d.plan.summary()), Unverified: d.desired.Unverified, Token: token, Duration: o.Duration,
	}
}

func (d *deploy) say(stage, format string, args ...any) {
	if d.options.Report != nil {
		d.options.Report(Event{Stage: stage, Nodes: []string{}, Message: oneLine(fmt.Sprintf(format, args...)), Elapsed: time.Since(d.started)})
	}
}

// taskIDs are the tasks that a stack's services have now.
func (e *Engine) taskIDs(ctx context.Context, s *Stack) (map[string]bool, error) {
	ids := map[string]bool{}
	if len(s.Services) == 0 {
		return ids, nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	tasks, err := e.tasksOf(ctx, s)
	for _, t := range tasks {
		ids[t.ID] = true
	}
	return ids, err
}
