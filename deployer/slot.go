package deployer

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/swarm"
)

// slot is one place of a service, a replica's number or a global service's
// node, with what its tasks tell. Swarm keeps a slot's last few ended tasks.
type slot struct {
	up     *swarm.Task // runs, or for a job ended well
	coming *swarm.Task // on its way
	last   *swarm.Task // the newest, whatever became of it
	failed *swarm.Task // the newest that failed since the write
	// failures counts tasks that failed since the write, but for those that a node
	// rejected which was busy with its networks.
	failures int
}

// count is what a service's slots come to.
type count struct {
	Progress
	failures  int         // of the slot that failed most often and is not up
	abandoned *swarm.Task // the newest failed one that swarm does not replace
	sure      time.Time   // until then, what runs may still be about to fail
	// unmade tells a global service without any task: swarm has not got to it
	// yet, or no node takes one.
	unmade bool
}

func countSlots(o Observation, want Expectation, now time.Time) count {
	slots := bySlot(o, want)
	c := count{Progress: Progress{Slots: o.Slots, Patience: healthPatience(o.Service.Spec)}}
	if container := o.Service.Spec.TaskTemplate.ContainerSpec; container != nil {
		c.Image = container.Image
	}
	for _, s := range slots {
		c.add(s, want, now)
	}
	if isGlobal(o.Service.Spec) {
		// Swarm counts a node's task only while it is wanted to run: not between a
		// task that failed and its successor.
		c.Slots = max(c.Slots, len(c.Live))
		if want.Job {
			c.Slots = len(slots)
		}
		if c.unmade = len(slots) == 0; c.unmade {
			c.Waiting = "no node takes a task of it"
		}
	}
	return c
}

func (c *count) add(s *slot, want Expectation, now time.Time) {
	c.Failed = newer(c.Failed, s.failed)
	if s.up == nil { // what came up at last is not failing
		c.failures = max(c.failures, s.failures)
	}
	switch {
	case s.up != nil:
		c.Running++
		c.Live = append(c.Live, s.up)
		c.Since = later(c.Since, changedAt(s.up))
		c.sure = later(c.sure, changedAt(s.up).Add(s.proves(want)))
	case s.coming != nil:
		c.Live = append(c.Live, s.coming)
		if s.coming.Status.State == swarm.TaskStatePreparing {
			c.Nodes = append(c.Nodes, s.coming.NodeID)
		}
		c.Waiting = cmp.Or(s.coming.Status.Err, c.Waiting)
	case s.givenUp(want, now):
		c.abandoned = newer(c.abandoned, s.last)
	}
}

// proves is how long a slot's task must stay up to be believed: the monitor time
// where the write made it, and longer than the one lived that failed before it,
// or a service that dies every ten seconds would look well in between.
func (s *slot) proves(want Expectation) time.Duration {
	if want.Job {
		return 0
	}
	long := time.Duration(0)
	if want.Restarts {
		long = want.Monitor
	}
	if s.failed != nil {
		life := changedAt(s.failed).Sub(s.failed.CreatedAt)
		long = max(long, min(life+life/2, outlives))
	}
	return long
}

// bySlot groups a service's tasks, in a stable order. Of a job only the tasks of
// its present run count: each write runs it anew.
func bySlot(o Observation, want Expectation) []*slot {
	slots := map[string]*slot{}
	for i := range o.Tasks {
		t := &o.Tasks[i]
		if job := o.Service.JobStatus; job != nil && t.JobIteration != nil && t.JobIteration.Index != job.JobIteration.Index {
			continue
		}
		key := t.NodeID
		if !isGlobal(o.Service.Spec) {
			key = strconv.Itoa(t.Slot)
		}
		s, ok := slots[key]
		if !ok {
			s = &slot{}
			slots[key] = s
		}
		s.add(t, want)
	}
	var all []*slot
	for _, key := range slices.Sorted(maps.Keys(slots)) {
		all = append(all, slots[key])
	}
	return all
}

func (s *slot) add(t *swarm.Task, want Expectation) {
	if s.last == nil || t.CreatedAt.After(s.last.CreatedAt) {
		s.last = t
	}
	switch {
	case isUp(t, want.Job):
		s.up = newer(s.up, t)
	case hasFailed(t):
		if !want.Known[t.ID] {
			if t.Status.State != swarm.TaskStateRejected || !passes(t.Status.Err) {
				s.failures++
			}
			s.failed = newer(s.failed, t)
		}
	case !hasEnded(t) && t.DesiredState != swarm.TaskStateShutdown && t.DesiredState != swarm.TaskStateRemove:
		s.coming = newer(s.coming, t)
	}
}

// givenUp tells that a slot's last task failed and that swarm, which had the
// time, made no other.
func (s *slot) givenUp(want Expectation, now time.Time) bool {
	if s.up != nil || s.coming != nil || s.last == nil || !hasFailed(s.last) || s.last.DesiredState == swarm.TaskStateRemove {
		return false
	}
	return now.Sub(later(changedAt(s.last), want.From)) > settleEnds
}

// changedAt is when a task reached its state, by the manager's clock; the
// timestamp inside its status is by its node's.
func changedAt(t *swarm.Task) time.Time {
	if t.UpdatedAt.IsZero() {
		return t.Status.Timestamp
	}
	return t.UpdatedAt
}

func newer(a, b *swarm.Task) *swarm.Task {
	if a == nil || b != nil && changedAt(b).After(changedAt(a)) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// hasFailed tells a task that ended badly by itself: also one that ended well
// and is no job, because a service that is not there any more serves nobody. One
// that swarm shut down to replace it is no failure, nor one that was lost with
// its node.
func hasFailed(t *swarm.Task) bool {
	switch t.Status.State {
	case swarm.TaskStateFailed, swarm.TaskStateRejected:
		return true
	case swarm.TaskStateComplete:
		return t.JobIteration == nil
	}
	return false
}

// hasEnded tells a task that will not run any more.
func hasEnded(t *swarm.Task) bool {
	switch t.Status.State {
	case swarm.TaskStateFailed, swarm.TaskStateRejected, swarm.TaskStateComplete,
		swarm.TaskStateShutdown, swarm.TaskStateOrphaned, swarm.TaskStateRemove:
		return true
	}
	return false
}

func isUp(t *swarm.Task, job bool) bool {
	if job {
		return t.Status.State == swarm.TaskStateComplete
	}
	return t.Status.State == swarm.TaskStateRunning && t.DesiredState == swarm.TaskStateRunning
}

// taskError is a failed task's own word on why.
func taskError(t *swarm.Task) string {
	if t == nil {
		return "no task says why"
	}
	if t.Status.State == swarm.TaskStateComplete {
		// So ends what was stopped for its health check and listened: only the
		// container's health log, on its node, tells the two apart.
		return "the container ended with exit code 0, by itself or stopped for its health check"
	}
	text := cmp.Or(t.Status.Err, t.Status.Message, string(t.Status.State))
	if c := t.Status.ContainerStatus; c != nil && c.ExitCode != 0 && t.Status.Err == "" {
		text = fmt.Sprintf("%s (exit code %d)", text, c.ExitCode)
	}
	return oneLine(text)
}
