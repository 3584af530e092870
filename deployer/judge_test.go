package deployer

import (
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"
)

// The tests' clock: all times are seconds after the write.
var zero = time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC)

func sec(seconds float64) time.Time {
	return zero.Add(time.Duration(seconds * float64(time.Second)))
}

type taskOption func(*swarm.Task)

// taskIn is a task of a slot in a state that it reached at that second.
func taskIn(id string, slot int, state swarm.TaskState, reached float64, options ...taskOption) swarm.Task {
	t := swarm.Task{ID: id, Slot: slot, NodeID: "node1", DesiredState: swarm.TaskStateRunning}
	t.CreatedAt, t.UpdatedAt = sec(reached), sec(reached)
	t.Status = swarm.TaskStatus{State: state, Timestamp: sec(reached)}
	switch state {
	case swarm.TaskStateFailed, swarm.TaskStateRejected, swarm.TaskStateShutdown, swarm.TaskStateComplete:
		t.DesiredState = swarm.TaskStateShutdown // so swarm marks what ended
	}
	for _, option := range options {
		option(&t)
	}
	return t
}

func taskErr(text string) taskOption      { return func(t *swarm.Task) { t.Status.Err = text } }
func onNode(node string) taskOption       { return func(t *swarm.Task) { t.NodeID, t.Slot = node, 0 } }
func slotOne(t *swarm.Task)               { t.Slot = 1 }
func wanted(s swarm.TaskState) taskOption { return func(t *swarm.Task) { t.DesiredState = s } }
func ofRun(n uint64) taskOption {
	return func(t *swarm.Task) { t.JobIteration = &swarm.Version{Index: n} }
}

func replicated(n uint64) swarm.Service {
	return swarm.Service{Spec: swarm.ServiceSpec{Mode: swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &n}}}}
}

func global(desired uint64) swarm.Service {
	return swarm.Service{
		Spec:          swarm.ServiceSpec{Mode: swarm.ServiceMode{Global: &swarm.GlobalService{}}},
		ServiceStatus: &swarm.ServiceStatus{DesiredTasks: desired},
	}
}

func job(mode swarm.ServiceMode, run uint64) swarm.Service {
	return swarm.Service{
		Spec: swarm.ServiceSpec{Mode: mode}, ServiceStatus: &swarm.ServiceStatus{DesiredTasks: 1},
		JobStatus: &swarm.JobStatus{JobIteration: swarm.Version{Index: run}},
	}
}

func updated(s swarm.Service, state swarm.UpdateState, started float64, message string) swarm.Service {
	begin := sec(started)
	s.UpdateStatus = &swarm.UpdateStatus{State: state, StartedAt: &begin, Message: message}
	return s
}

const (
	running  = swarm.TaskStateRunning
	failed   = swarm.TaskStateFailed
	shutdown = swarm.TaskStateShutdown
)

// created and written are what a deploy expects of a new and of a changed
// service whose monitor time is two seconds.
var (
	created   = Expectation{New: true, Restarts: true, Monitor: 2 * time.Second, From: zero}
	written   = Expectation{Restarts: true, Monitor: 2 * time.Second, From: zero, Prior: sec(-86400)}
	relabeled = Expectation{Monitor: 2 * time.Second, From: zero, Prior: sec(-86400)}
)

func knowing(want Expectation, ids ...string) Expectation {
	want.Known = map[string]bool{}
	for _, id := range ids {
		want.Known[id] = true
	}
	return want
}

func asJob(want Expectation) Expectation {
	want.Job = true
	return want
}

type judgement struct {
	name    string
	service swarm.Service
	tasks   []swarm.Task
	want    Expectation
	now     float64
	phase   Phase
	running int
	reason  string // a part of it, "" for none
}

func (j judgement) check(t *testing.T) {
	t.Helper()
	got := judge(Observation{Service: j.service, Tasks: j.tasks, Slots: slotsOf(j.service)}, j.want, sec(j.now))
	if got.Phase != j.phase || got.Running != j.running {
		t.Errorf("%s with %d of %d running, want %s with %d", got.Phase, got.Running, got.Slots, j.phase, j.running)
	}
	if !strings.Contains(got.Reason, j.reason) || (got.Reason == "") != (j.reason == "") {
		t.Errorf("reason %q, want %q in it", got.Reason, j.reason)
	}
	if (got.Reason != "") != (got.Phase == Failing || got.Phase == Broken || got.Phase == Reversed) {
		t.Errorf("phase %s has the reason %q", got.Phase, got.Reason)
	}
}

func TestJudgeOnTheWay(t *testing.T) {
	preparing := taskIn("b", 2, swarm.TaskStatePreparing, 1)
	for _, j := range []judgement{
		{name: "created, no task yet", service: replicated(1), want: created, now: 0.1, phase: Starting},
		{name: "the image is pulled", service: replicated(2), tasks: []swarm.Task{taskIn("a", 1, running, 1), preparing}, want: created, now: 60, phase: Pulling, running: 1},
		{name: "inside its start period", service: replicated(1), tasks: []swarm.Task{taskIn("a", 1, swarm.TaskStateStarting, 1)}, want: created, now: 60, phase: Starting},
		{name: "no node takes it", service: replicated(1), tasks: []swarm.Task{taskIn("a", 1, swarm.TaskStatePending, 1, taskErr("no suitable node"))}, want: created, now: 60, phase: Starting},
		{name: "within the monitor time", service: replicated(1), tasks: []swarm.Task{taskIn("a", 1, running, 3)}, want: created, now: 4.9, phase: Settling, running: 1},
		{name: "the last replica counts", service: replicated(2), tasks: []swarm.Task{taskIn("a", 1, running, 1), taskIn("b", 2, running, 3)}, want: created, now: 4, phase: Settling, running: 2},
		{name: "past the monitor time", service: replicated(1), tasks: []swarm.Task{taskIn("a", 1, running, 3)}, want: created, now: 5.1, phase: Settled, running: 1},
		{name: "two tasks of one slot are one", service: replicated(2), tasks: []swarm.Task{taskIn("a", 1, running, 1), taskIn("b", 1, running, 2)}, want: created, now: 60, phase: Starting, running: 1},
		{name: "a task that is being shut down is not up", service: replicated(1), tasks: []swarm.Task{taskIn("a", 1, running, 1, wanted(shutdown))}, want: created, now: 60, phase: Starting},
		{name: "its node is down, the task there is not heard of", service: replicated(1), tasks: []swarm.Task{taskIn("a", 1, running, 1, wanted(shutdown)), taskIn("b", 1, swarm.TaskStatePending, 20, taskErr("no suitable node"))}, want: created, now: 60, phase: Starting},
		{name: "its node is down, another took over", service: replicated(1), tasks: []swarm.Task{taskIn("a", 1, running, 1, wanted(shutdown)), taskIn("b", 1, running, 20, onNode("node2"), slotOne)}, want: created, now: 60, phase: Settled, running: 1},
		{name: "orphaned with its node is no failure", service: replicated(1), tasks: []swarm.Task{taskIn("a", 1, swarm.TaskStateOrphaned, 1, wanted(shutdown)), taskIn("b", 1, swarm.TaskStateAssigned, 20)}, want: created, now: 60, phase: Starting},
		{name: "replicas 0", service: replicated(0), want: created, now: 0.1, phase: Settled},
		{name: "scaled to 0 by an update", service: replicated(0), tasks: []swarm.Task{taskIn("a", 1, failed, -9, wanted(swarm.TaskStateRemove))}, want: written, now: 60, phase: Settled},
		{name: "scaled down from a slot that had failed", service: replicated(1), tasks: []swarm.Task{taskIn("a", 1, running, -90), taskIn("b", 2, failed, -9, wanted(swarm.TaskStateRemove))}, want: knowing(relabeled, "a", "b"), now: 60, phase: Settled, running: 1},
	} {
		t.Run(j.name, j.check)
	}
}

func TestJudgeUpdates(t *testing.T) {
	up := []swarm.Task{taskIn("a", 1, running, 3)}
	for _, j := range []judgement{
		{name: "not begun", service: replicated(1), want: written, now: 1, phase: Starting},
		{name: "yesterday's completed, not begun", service: updated(replicated(1), swarm.UpdateStateCompleted, -86400, ""), want: written, now: 1, phase: Starting},
		{name: "swarm still monitors", service: updated(replicated(1), swarm.UpdateStateUpdating, 1, ""), tasks: up, want: written, now: 60, phase: Starting, running: 1},
		{name: "completed and all run", service: updated(replicated(1), swarm.UpdateStateCompleted, 1, ""), tasks: up, want: written, now: 6, phase: Settled, running: 1},
		{name: "continue: completed while nothing is healthy", service: updated(replicated(1), swarm.UpdateStateCompleted, 1, ""), tasks: []swarm.Task{taskIn("a", 1, swarm.TaskStateStarting, 1)}, want: written, now: 6, phase: Starting},
		{name: "no task had to be replaced after all", service: replicated(1), tasks: []swarm.Task{taskIn("a", 1, running, -90)}, want: written, now: 1, phase: Settled, running: 1},
		{name: "a label only", service: replicated(1), tasks: []swarm.Task{taskIn("a", 1, running, -1)}, want: relabeled, now: 0.1, phase: Settled, running: 1},
		{name: "paused", service: updated(replicated(1), swarm.UpdateStatePaused, 1, "task x"), tasks: up, want: written, now: 6, phase: Broken, running: 1, reason: "swarm paused the update: task x"},
		{name: "paused yesterday", service: updated(replicated(1), swarm.UpdateStatePaused, -86400, "task x"), tasks: up, want: written, now: 6, phase: Settled, running: 1},
		{name: "rollback started", service: updated(replicated(1), swarm.UpdateStateRollbackStarted, 1, "task x"), tasks: up, want: written, now: 6, phase: Reversed, running: 1, reason: "swarm rolled the update back: task x"},
		{name: "rollback completed", service: updated(replicated(1), swarm.UpdateStateRollbackCompleted, 1, "done"), tasks: up, want: written, now: 6, phase: Reversed, running: 1, reason: "swarm rolled the update back: done"},
		{name: "rollback paused", service: updated(replicated(1), swarm.UpdateStateRollbackPaused, 1, "task x"), want: written, now: 6, phase: Reversed, reason: "stopped half way: task x"},
		{name: "rolled back yesterday", service: updated(replicated(1), swarm.UpdateStateRollbackCompleted, -86400, "x"), tasks: up, want: written, now: 6, phase: Settled, running: 1},
		{name: "a new service knows no rollback", service: updated(replicated(1), swarm.UpdateStateRollbackCompleted, 1, "x"), tasks: up, want: created, now: 6, phase: Settled, running: 1},
	} {
		t.Run(j.name, j.check)
	}
}

func TestJudgeFailures(t *testing.T) {
	exit := taskErr("task: non-zero exit (1)")
	next := taskIn("n", 1, swarm.TaskStateReady, 9)
	three := []swarm.Task{taskIn("a", 1, failed, 1, exit), taskIn("b", 1, failed, 3, exit), taskIn("c", 1, failed, 5, exit), next}
	rejected := func(text string) []swarm.Task {
		return append(append([]swarm.Task{}, three[:2]...), taskIn("c", 1, swarm.TaskStateRejected, 5, taskErr(text)), next)
	}
	up := taskIn("u", 1, running, 9)
	long := taskIn("a", 1, failed, 8, exit)
	long.CreatedAt = sec(2)
	ofPolicy := func(condition swarm.RestartPolicyCondition) swarm.Service {
		s := replicated(1)
		s.Spec.TaskTemplate.RestartPolicy = &swarm.RestartPolicy{Condition: condition}
		return s
	}
	for _, j := range []judgement{
		{name: "failed once, is tried again", service: replicated(1), tasks: []swarm.Task{taskIn("a", 1, failed, 1, exit), next}, want: created, now: 60, phase: Starting},
		{name: "failed once, runs now", service: replicated(1), tasks: []swarm.Task{taskIn("a", 1, failed, 1, exit), taskIn("b", 1, running, 3)}, want: created, now: 6, phase: Settled, running: 1},
		{name: "failed three times", service: replicated(1), tasks: three, want: created, now: 9, phase: Failing, reason: "its task failed 3 times, the last one with: task: non-zero exit (1)"},
		{name: "rejected at last by its node", service: replicated(1), tasks: rejected("invalid mount config"), want: created, now: 9, phase: Broken, reason: "its task failed 3 times, the last one with: invalid mount config"},
		{name: "rejected by a node that was busy", service: replicated(1), tasks: rejected("Pool overlaps with other one on this address space"), want: created, now: 9, phase: Starting},
		{name: "its image is not to be had", service: replicated(1), tasks: rejected("No such image: app:1"), want: created, now: 9, phase: Broken, reason: "its image could not be pulled, in 3 tries: No such image: app:1; swarm says so too when"},
		{name: "failed three times, runs at last", service: replicated(1), tasks: append(three[:3:3], up), want: created, now: 10.9, phase: Settling, running: 1},
		{name: "failed three times, has run for long enough", service: replicated(1), tasks: append(three[:3:3], up), want: created, now: 11.1, phase: Settled, running: 1},
		{name: "runs no longer than the one before it lived", service: replicated(1), tasks: []swarm.Task{long, up}, want: created, now: 17.9, phase: Settling, running: 1},
		{name: "outlived the one before it", service: replicated(1), tasks: []swarm.Task{long, up}, want: created, now: 18.1, phase: Settled, running: 1},
		{name: "died again, in a service that was not restarted", service: replicated(1), tasks: []swarm.Task{long, up}, want: relabeled, now: 14.9, phase: Settling, running: 1},
		{name: "ended well, and is not started again", service: ofPolicy("on-failure"), tasks: []swarm.Task{taskIn("a", 1, swarm.TaskStateComplete, 1)}, want: created, now: 9, phase: Broken, reason: "under the restart condition \"on-failure\" nothing runs then"},
		{name: "failed, and is not started again", service: ofPolicy("none"), tasks: []swarm.Task{taskIn("a", 1, failed, 1, exit)}, want: created, now: 9, phase: Broken, reason: "does not start it again: task: non-zero exit (1)"},
		{name: "failed three times, twice before us", service: replicated(1), tasks: three, want: knowing(relabeled, "a", "b"), now: 9, phase: Starting},
		{name: "three slots failed once each", service: replicated(3), tasks: []swarm.Task{
			taskIn("a", 1, failed, 1, exit), taskIn("b", 2, failed, 1, exit), taskIn("c", 3, failed, 1, exit),
			taskIn("d", 1, running, 4), taskIn("e", 2, running, 4), taskIn("f", 3, running, 4),
		}, want: created, now: 7, phase: Settled, running: 3},
		{name: "exits 0 three times", service: replicated(1), tasks: []swarm.Task{
			taskIn("a", 1, swarm.TaskStateComplete, 1), taskIn("b", 1, swarm.TaskStateComplete, 3), taskIn("c", 1, swarm.TaskStateComplete, 5), next,
		}, want: created, now: 9, phase: Failing, reason: "ended with exit code 0"},
		{name: "ended, swarm may start it again", service: replicated(1), tasks: []swarm.Task{taskIn("a", 1, failed, 1, exit)}, want: created, now: 5, phase: Starting},
		{name: "ended, swarm does not start it again", service: replicated(1), tasks: []swarm.Task{taskIn("a", 1, failed, 1, exit)}, want: created, now: 6.1, phase: Broken, reason: "swarm does not start it again: task: non-zero exit (1)"},
		{name: "one slot of two is given up", service: replicated(2), tasks: []swarm.Task{taskIn("a", 1, failed, 1, exit), taskIn("b", 2, running, 1)}, want: created, now: 9, phase: Broken, running: 1, reason: "does not start it again"},
		{name: "dead since yesterday, nothing written", service: replicated(1), tasks: []swarm.Task{taskIn("a", 1, failed, -86400, exit)}, want: knowing(relabeled, "a"), now: 5.1, phase: Broken, reason: "does not start it again"},
		{name: "dead since yesterday, the watch has just begun", service: replicated(1), tasks: []swarm.Task{taskIn("a", 1, failed, -86400, exit)}, want: knowing(relabeled, "a"), now: 1, phase: Starting},
		{name: "shut down by swarm is no failure", service: replicated(1), tasks: []swarm.Task{taskIn("a", 1, shutdown, 1)}, want: created, now: 60, phase: Starting},
		{name: "an update replaces what failed", service: updated(replicated(1), swarm.UpdateStateUpdating, 1, ""), tasks: []swarm.Task{taskIn("a", 1, failed, 1, exit)}, want: written, now: 60, phase: Starting},
	} {
		t.Run(j.name, j.check)
	}
}

func TestJudgeGlobalServicesAndJobs(t *testing.T) {
	exit := taskErr("task: non-zero exit (1)")
	two := uint64(2)
	replicatedJob := swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{MaxConcurrent: ptr(uint64(1)), TotalCompletions: &two}}
	complete := swarm.TaskStateComplete
	for _, j := range []judgement{
		{name: "global, no task yet", service: global(0), want: created, now: 60, phase: Starting},
		{name: "global, one node of two", service: global(2), tasks: []swarm.Task{taskIn("a", 0, running, 1, onNode("n1")), taskIn("b", 0, swarm.TaskStateStarting, 1, onNode("n2"))}, want: created, now: 60, phase: Starting, running: 1},
		{name: "global, all nodes", service: global(2), tasks: []swarm.Task{taskIn("a", 0, running, 1, onNode("n1")), taskIn("b", 0, running, 1, onNode("n2"))}, want: created, now: 60, phase: Settled, running: 2},
		{name: "global, between a failure and its successor", service: global(0), tasks: []swarm.Task{
			taskIn("a", 0, failed, 58, exit, onNode("n1")), taskIn("b", 0, swarm.TaskStateReady, 58, onNode("n1"), wanted(swarm.TaskStateReady)),
		}, want: created, now: 60, phase: Starting},
		{name: "global, failed three times on one node", service: global(1), tasks: []swarm.Task{
			taskIn("a", 0, failed, 1, exit, onNode("n1")), taskIn("b", 0, failed, 2, exit, onNode("n1")), taskIn("c", 0, failed, 3, exit, onNode("n1")),
			taskIn("d", 0, swarm.TaskStateReady, 4, onNode("n1")),
		}, want: created, now: 9, phase: Failing, reason: "failed 3 times"},
		{name: "job, half done", service: job(replicatedJob, 0), tasks: []swarm.Task{taskIn("a", 0, complete, 1, ofRun(0)), taskIn("b", 1, running, 1, ofRun(0))}, want: asJob(created), now: 60, phase: Starting, running: 1},
		{name: "job, done", service: job(replicatedJob, 0), tasks: []swarm.Task{taskIn("a", 0, complete, 1, ofRun(0)), taskIn("b", 1, complete, 1, ofRun(0))}, want: asJob(created), now: 1.1, phase: Settled, running: 2},
		{name: "job, done in its last run only", service: job(replicatedJob, 1), tasks: []swarm.Task{taskIn("a", 0, complete, 1, ofRun(0)), taskIn("b", 1, complete, 1, ofRun(0))}, want: asJob(written), now: 60, phase: Starting},
		{name: "job, failed for good", service: job(replicatedJob, 0), tasks: []swarm.Task{taskIn("a", 0, complete, 1, ofRun(0)), taskIn("b", 1, failed, 1, exit, ofRun(0))}, want: asJob(created), now: 9, phase: Broken, running: 1, reason: "does not start it again"},
		{name: "global job, not begun", service: job(swarm.ServiceMode{GlobalJob: &swarm.GlobalJob{}}, 0), want: asJob(created), now: 9, phase: Starting},
		{name: "global job, done", service: job(swarm.ServiceMode{GlobalJob: &swarm.GlobalJob{}}, 0), tasks: []swarm.Task{taskIn("a", 0, complete, 1, onNode("n1"), ofRun(0))}, want: asJob(created), now: 9, phase: Settled, running: 1},
		{name: "global job, one node of two", service: job(swarm.ServiceMode{GlobalJob: &swarm.GlobalJob{}}, 0), tasks: []swarm.Task{
			taskIn("a", 0, complete, 1, onNode("n1"), ofRun(0)), taskIn("b", 0, running, 1, onNode("n2"), ofRun(0), wanted(complete)),
		}, want: asJob(created), now: 9, phase: Starting, running: 1},
	} {
		t.Run(j.name, j.check)
	}
}

func ptr[T any](v T) *T { return &v }

func TestJudgeSaysWhyATaskWaits(t *testing.T) {
	o := Observation{Service: replicated(1), Slots: 1, Tasks: []swarm.Task{taskIn("a", 1, swarm.TaskStatePending, 1, taskErr("no suitable node (1 node)"))}}
	p := judge(o, created, sec(9))
	limits := Limits{Converge: time.Second, Pull: time.Hour}
	got := limits.overdue(clocks{converging: 2 * time.Second}, map[string]Progress{"web_app": p})
	if want := "converging took longer than 1s: service web_app is starting with 0 of 1 tasks: no suitable node (1 node)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := limits.overdue(clocks{time.Second / 2, time.Minute}, map[string]Progress{"web_app": p}); got != "" {
		t.Errorf("not overdue, and yet %q", got)
	}
}

func TestTaskError(t *testing.T) {
	withExit := taskIn("a", 1, failed, 1)
	withExit.Status.ContainerStatus = &swarm.ContainerStatus{ExitCode: 3}
	withExit.Status.Message = "started"
	twoLines := taskIn("a", 1, failed, 1, taskErr("starting container failed:\n no such file"))
	for want, task := range map[string]*swarm.Task{
		"no task says why":                        nil,
		"started (exit code 3)":                   &withExit,
		"starting container failed: no such file": &twoLines,
		"failed": ptr(taskIn("a", 1, failed, 1)),
		"the container ended with exit code 0, by itself or stopped for its health check": ptr(taskIn("a", 1, swarm.TaskStateComplete, 1)),
	} {
		if got := taskError(task); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
