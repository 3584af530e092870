package deployer

import (
	"fmt"
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
}

// Phase is where a service stands on its way.
type Phase string

// The phases. The last three are final.
const (
	Pulling  Phase = "pulling"  // a task waits for its image
	Starting Phase = "starting" // tasks are made, or not healthy yet
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
	Reason  string // why it is final, "" while it is not
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
	slots := bySlot(o, want)
	p := Progress{Slots: o.Slots}
	live, looping, pulling := 0, 0, false
	var since time.Time
	var abandoned *swarm.Task
	for _, s := range slots {
		p.Failed = newer(p.Failed, s.failed)
		if s.up != nil || s.coming != nil {
			live++
		}
		looping = max(looping, s.failures)
		if s.up != nil {
			p.Running++
			since = later(since, changedAt(s.up))
			continue
		}
		if s.coming != nil {
			pulling = pulling || s.coming.Status.State == swarm.TaskStatePreparing
			p.Waiting = s.coming.Status.Err
			continue
		}
		if s.givenUp(want, now) {
			abandoned = newer(abandoned, s.last)
		}
	}
	if isGlobal(o.Service.Spec) {
		// Swarm counts a node's task only while it is wanted to run: not between a
		// task that failed and its successor.
		p.Slots = max(p.Slots, live)
		if want.Job {
			p.Slots = len(slots)
		}
		if len(slots) == 0 {
			p.Waiting = "no node takes a task of it"
		}
	}
	u := o.Service.UpdateStatus
	if phase, reason := judgeUpdate(u, want); phase.final() {
		p.Phase, p.Reason = phase, reason
		return p
	}
	updating := u != nil && isOurs(u, want) && u.State == swarm.UpdateStateUpdating
	switch {
	case looping >= failuresAllowed:
		p.Phase, p.Reason = Broken, fmt.Sprintf("its task failed %d times, the last one with: %s", looping, taskError(p.Failed))
	case p.Running >= p.Slots && !updating && !unmade(o, slots):
		p.Phase = Settled
		if want.Restarts && !want.Job && p.Slots > 0 && now.Sub(since) < want.Monitor {
			p.Phase = Settling
		}
	case abandoned != nil && !updating:
		p.Phase, p.Failed = Broken, abandoned
		p.Reason = "swarm does not start it again: " + taskError(abandoned)
	case pulling:
		p.Phase = Pulling
	default:
		p.Phase = Starting
	}
	return p
}

// unmade tells a global service without any task: swarm has not got to it yet,
// or no node takes one.
func unmade(o Observation, slots []*slot) bool { return len(slots) == 0 && isGlobal(o.Service.Spec) }

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
