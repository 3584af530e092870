package deployer

import (
	"fmt"
	"strings"
	"time"

	"github.com/docker/docker/api/types/swarm"
)

// Observation is what the swarm says of one service at one moment.
type Observation struct {
	Service swarm.Service
	// Tasks are the tasks of the service's present spec, whatever their state.
	Tasks []swarm.Task
	// Slots is how many of them should run: the replicas, a job's completions, or
	// for a global service the nodes that take one, as far as swarm says.
	Slots int
	// Foreign says that the spec is not what the deploy left there: someone else
	// wrote it meanwhile.
	Foreign bool
}

// Expectation is what a watch waits for in one service. Nothing in it compares
// the operator's clock with the swarm's.
type Expectation struct {
	// New says that the service was created: swarm runs no update then, and
	// never rolls back.
	New bool
	// Prior is when the update whose status stood before the write started. A
	// status of that start is yesterday's, and stays until the next update.
	Prior time.Time
	// Known are the IDs of tasks that were there before the write: their
	// failures are not of our making.
	Known map[string]bool
	// Restarts says that the write replaces tasks.
	Restarts bool
	// Monitor is how long tasks must stay up before they are believed.
	Monitor time.Duration
	Job     bool // tasks end, and ending well is what is wanted
	// From is when the watch began, by the swarm's clock.
	From time.Time
	// Guarded says that Previous is known: what swarm remembers as the spec before
	// the one that is watched, nil for a service that was never updated. Another
	// one there means another write.
	Guarded  bool
	Previous *swarm.ServiceSpec
}

// foreign tells whether someone else wrote the service after us.
func (want Expectation) foreign(s swarm.Service) bool {
	switch {
	case !want.Guarded:
		return false
	case want.Previous == nil || s.PreviousSpec == nil:
		// Swarm forgets the previous spec when it rolls back by itself.
		return s.PreviousSpec != nil
	}
	return !sameSpec(*want.Previous, *s.PreviousSpec)
}

// Phase is where a service stands on its way.
type Phase string

// The phases. The last three are final.
const (
	Pulling  Phase = "pulling"  // a task waits for its image
	Starting Phase = "starting" // tasks are made, or not healthy yet
	Failing  Phase = "failing"  // its tasks failed often, and swarm tries on
	Settling Phase = "settling" // all run; the monitor time is not over
	Settled  Phase = "settled"
	Broken   Phase = "failed"
	Reversed Phase = "rolled back"
)

// final tells whether a service's watch is over.
func (p Phase) final() bool { return p == Settled || p == Broken || p == Reversed }

// failuresAllowed is how often one slot may fail before a watch gives up on it,
// when swarm itself has not: a container that waits for its database may need a
// second try, one that failed three times needs a human.
const failuresAllowed = 3

// outlives bounds how long a task must stay up that follows one that failed.
const outlives = 30 * time.Second

// settleEnds is how long swarm has after a task's end until it makes the next
// one, if it ever does: between the two, the slot looks given up.
const settleEnds = 5 * time.Second

// Progress is the judgement of one observation.
type Progress struct {
	Phase   Phase
	Running int // slots whose task runs and, with a health check, is healthy
	Slots   int
	// Failed is the newest task that failed, nil when none did.
	Failed *swarm.Task
	// Waiting is why a task does not start ("no suitable node …"), "" when
	// nothing is said.
	Waiting string
	// Reason is why it is failing, failed or rolled back, "" in other phases.
	Reason string
	// Since is when the last of its tasks came up, by the manager's clock.
	Since time.Time
	// Settles is when a service that is settling will have settled, by the swarm's
	// clock.
	Settles time.Time
	// Nodes are those on which a task is being prepared: by ID, and by name once
	// a watch has asked for it.
	Nodes []string
	// Live are the tasks that run or are on their way, one for each slot.
	Live  []*swarm.Task
	Image string // of the service's spec
	// Patience is how long its health check lets a container start.
	Patience time.Duration
}

// judge says where a service stands. It is a function of its arguments alone:
// what was seen before plays no part, so a missed event cannot mislead it.
//
// Only tasks of the present spec count, whatever the update status says: with
// failure_action continue swarm calls an update completed of which nothing runs,
// and an update that replaces no task has no status at all.
//
// now is the swarm's time.
func judge(o Observation, want Expectation, now time.Time) Progress {
	c := countSlots(o, want, now)
	p := c.Progress
	u := o.Service.UpdateStatus
	if phase, reason := judgeUpdate(u, want); phase.final() {
		p.Phase, p.Reason = phase, reason
		return p
	}
	updating := u != nil && isOurs(u, want) && u.State == swarm.UpdateStateUpdating
	switch {
	case o.Foreign:
		p.Phase, p.Reason = Broken, "someone else changed it during the deploy"
	case c.failures >= failuresAllowed:
		p.Phase, p.Reason = failing(p.Failed, c.failures)
	case p.Running >= p.Slots && !updating && !c.unmade:
		p.Phase = Settled
		if now.Before(c.sure) {
			p.Phase, p.Settles = Settling, c.sure
		}
	case c.abandoned != nil && !updating:
		p.Phase, p.Failed = Broken, c.abandoned
		p.Reason = "swarm does not start it again: " + taskError(c.abandoned) + notRestarted(o.Service.Spec, c.abandoned)
	case len(p.Nodes) > 0:
		p.Phase = Pulling
	default:
		p.Phase = Starting
	}
	return p
}

// failing is the judgement of a service of which one slot failed too often. What
// a node rejects will not be better for another service that comes up.
func failing(last *swarm.Task, failures int) (Phase, string) {
	phase, what := Failing, "its task failed %d times, the last one with: %s"
	if last != nil && last.Status.State == swarm.TaskStateRejected && !passes(last.Status.Err) {
		phase = Broken
		if strings.Contains(last.Status.Err, noSuchImage) {
			what = "its image could not be pulled, in %d tries: %s; swarm says so too when the registry wants a login, or does not answer"
		}
	}
	return phase, fmt.Sprintf(what, failures, taskError(last))
}

// passes tells a rejection of a node that was busy with its own networks: the next
// task may well be taken. Seen in Engine 20.10 and 28.5 when many start at once.
func passes(rejection string) bool {
	for _, text := range []string{"Pool overlaps with other one", "unknown network", "network sandbox join failed", "device or resource busy"} {
		if strings.Contains(rejection, text) {
			return true
		}
	}
	return false
}

// noSuchImage is how an engine tells any pull that failed: it tries to run the
// image all the same, and only that error is kept.
const noSuchImage = "No such image"

// notRestarted explains a service that ended well and is no job.
func notRestarted(spec swarm.ServiceSpec, t *swarm.Task) string {
	policy := spec.TaskTemplate.RestartPolicy
	if t.Status.State != swarm.TaskStateComplete || policy == nil || policy.Condition == swarm.RestartPolicyConditionAny {
		return ""
	}
	return fmt.Sprintf("; under the restart condition %q nothing runs then; what is to run once is a replicated-job", policy.Condition)
}

// judgeUpdate reads an update status that is about our write.
func judgeUpdate(u *swarm.UpdateStatus, want Expectation) (Phase, string) {
	if u == nil || !isOurs(u, want) {
		return Starting, ""
	}
	switch u.State {
	case swarm.UpdateStatePaused:
		return Broken, "swarm paused the update: " + u.Message
	case swarm.UpdateStateRollbackStarted, swarm.UpdateStateRollbackCompleted:
		return Reversed, "swarm rolled the update back: " + u.Message
	case swarm.UpdateStateRollbackPaused:
		return Reversed, "swarm began to roll the update back and stopped half way: " + u.Message
	}
	return Starting, ""
}

// isOurs tells an update that our write began from one of yesterday, whose
// status stays until the next. Swarm clears the status with every write and sets
// it when it replaces the first task.
func isOurs(u *swarm.UpdateStatus, want Expectation) bool {
	return !want.New && u.StartedAt != nil && !u.StartedAt.Equal(want.Prior)
}

func isGlobal(spec swarm.ServiceSpec) bool {
	return spec.Mode.Global != nil || spec.Mode.GlobalJob != nil
}

func isJob(spec swarm.ServiceSpec) bool {
	return spec.Mode.ReplicatedJob != nil || spec.Mode.GlobalJob != nil
}

// slotsOf is how many tasks a service should have, as far as it says.
func slotsOf(s swarm.Service) int {
	switch {
	case s.Spec.Mode.Replicated != nil && s.Spec.Mode.Replicated.Replicas != nil:
		return int(*s.Spec.Mode.Replicated.Replicas)
	case s.Spec.Mode.ReplicatedJob != nil:
		// ServiceStatus gives a job's concurrency only.
		job := s.Spec.Mode.ReplicatedJob
		for _, n := range []*uint64{job.TotalCompletions, job.MaxConcurrent} {
			if n != nil {
				return int(*n)
			}
		}
		return 1
	case s.ServiceStatus != nil:
		return int(s.ServiceStatus.DesiredTasks)
	}
	return 0
}
