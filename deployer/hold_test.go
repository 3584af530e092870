package deployer

import (
	"os"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/internal/fault"
)

// heldCompose is the test recipe with one service of each mode.
func heldCompose() string {
	const more = `
  agent:
    image: APP:1
    stop_grace_period: 1s
    healthcheck: {test: [CMD, /app, health], interval: 1s, timeout: 2s, retries: 1}
    deploy: {mode: global, update_config: {monitor: 1s}}
  job:
    image: APP:1
    environment: {MODE: exit0}
    deploy: {mode: replicated-job, restart_policy: {condition: none}}
`
	return strings.Replace(compose("1", "replicas: 1", "replicas: 2"), "configs:\n  conf: {file", strings.TrimPrefix(more, "\n")+"configs:\n  conf: {file", 1)
}

// heldChild is the task of a child that stops the services and is killed.
const heldChild = "hold"

// childHolds stops everything, says so, and waits for its end.
func (r *rig) childHolds() {
	hold, err := r.Hold(r.t.Context(), r.stack, HoldOptions{Reason: "a backup"})
	if err == nil {
		err = hold.Stop(r.t.Context(), nil)
	}
	if err == nil {
		err = os.WriteFile(os.Getenv(childMarker), nil, 0o600)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	<-r.t.Context().Done()
}

// killHolding kills a child that has stopped everything.
func (r *rig) killHolding() {
	r.t.Helper()
	r.killChild(heldChild, "the child's stop", func(marker string) bool {
		_, err := os.Stat(marker)
		return err == nil
	})
	if running := r.tasks(); running != "" {
		r.t.Errorf("the child stopped everything, and %s run", running)
	}
}

// holdStale is Hold as soon as the lock that stands is stale.
func (r *rig) holdStale(o HoldOptions) (h *Hold) {
	r.t.Helper()
	r.eventually("the lock", func() bool {
		var err error
		h, err = r.Hold(r.t.Context(), r.stack, o)
		if err != nil && !strings.Contains(err.Error(), "is locked by") {
			r.t.Fatal(err)
		}
		return err == nil
	})
	return h
}

func TestHold(t *testing.T) {
	r := newRig(t, "hold")
	r.converges(r.desired("1.0.0+1", heldCompose()))
	before, running := r.standing(), r.tasks()
	if n := len(strings.Fields(running)); n != 3 {
		t.Fatalf("%d tasks run, expected two and one", n)
	}
	hold, err := r.Hold(t.Context(), r.stack, HoldOptions{Reason: "a backup", Report: r.see})
	if err != nil {
		t.Fatal(err)
	}

	t.Log("nobody else works on it meanwhile")
	_, err = r.Hold(t.Context(), r.stack, HoldOptions{Reason: "another"})
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "is locked by "+Operator()) || !strings.Contains(err.Error(), "a backup") {
		t.Errorf("a second hold: %v", err)
	}
	if _, err := r.Deploy(t.Context(), r.desired("1.0.0+1", compose("1")), nil, DeployOptions{}); err == nil || !strings.Contains(err.Error(), "a backup") {
		t.Errorf("a deploy: %v", err)
	}

	t.Log("one service, and the others run on")
	if err := hold.Stop(t.Context(), []string{r.stack + "_agent"}); err != nil {
		t.Fatal(err)
	}
	if n := len(strings.Fields(r.tasks())); n != 2 || strings.Join(hold.Stopped, " ") != r.stack+"_agent" {
		t.Errorf("%d tasks run, stopped are %q", n, hold.Stopped)
	}
	if journal := r.lockedBy().Journal; journal == nil || journal.By != Operator() {
		t.Errorf("the journal is %s", asJSON(t, journal))
	}
	if err := hold.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := r.standing(); after != before {
		t.Errorf("it is not as it was:\n%s\nand is\n%s", before, after)
	}
	r.noRecords(recordJournal)

	t.Log("all of them")
	if err := hold.Stop(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if running := r.tasks(); running != "" || len(hold.Stopped) != 2 {
		t.Errorf("%s run, stopped are %q: the job ends by itself", running, hold.Stopped)
	}
	if err := hold.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.isBack(before)
	r.serves()
	for _, id := range strings.Fields(running) {
		if strings.Contains(r.tasks(), id) {
			t.Errorf("task %s was never stopped", id)
		}
	}
}

// TestHoldOfNothing holds a stack that is not there: a restore after a loss does.
func TestHoldOfNothing(t *testing.T) {
	r := newRig(t, "holdnone")
	hold, err := r.Hold(t.Context(), r.stack, HoldOptions{Reason: "a restore"})
	if err == nil {
		err = hold.Stop(t.Context(), nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.noRecords(recordJournal)
	o := r.deploy(r.desired("1.0.0+1", compose("1")), func(o *DeployOptions) { o.Hold, o.Operation, o.OnFailure = hold, OpRestore, Leave })
	r.ends(o, Converged, StateNew)
	if err := hold.Check(t.Context()); err != nil {
		t.Errorf("the deploy gave the hold's lock away: %v", err)
	}
	if r.lockedBy().Journal == nil {
		t.Error("the deploy ended the journal: what comes after it could not be put back")
	}
	restore, err := r.BeginRestore(t.Context(), hold, "20261130T015959Z-3f9c", nil, nil, RestoredBeside{})
	if err == nil {
		err = restore.Done(t.Context(), hold)
	}
	if err != nil {
		t.Fatal(err)
	}
	hold.Close(t.Context())
	r.noRecords(recordLock, recordJournal, recordRestore)
}

// TestKilledHold kills who has stopped everything: the journal stays, and who comes next puts
// back what stood.
func TestKilledHold(t *testing.T) {
	r := newRig(t, "holdkill")
	d := r.desired("1.0.0+1", compose("1"))
	r.converges(d)
	before := r.standing()
	r.killHolding()
	if r.lockedBy().Journal == nil {
		t.Fatal("there is no journal")
	}

	t.Log("a backup refuses it")
	hold := r.holdStale(HoldOptions{Reason: "a backup"})
	err := hold.Stop(t.Context(), nil)
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "was left unfinished") || !strings.Contains(fault.HintOf(err), "galley app deploy") {
		t.Errorf("%v (%s)", err, fault.HintOf(err))
	}
	hold.Close(t.Context())

	t.Log("a restore takes it over, and what stood comes back")
	hold = r.holdStale(HoldOptions{Reason: "a restore", Takeover: true})
	if err := hold.Stop(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := hold.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.isBack(before)
	r.serves()

	t.Log("and so does a deploy")
	r.killHolding()
	o := r.deployStale(d)
	r.ends(o, Converged, StateNew)
	if service, _, _ := r.service("app"); service.Mode.Replicated == nil || *service.Mode.Replicated.Replicas != 1 {
		t.Errorf("its mode is %+v", service.Mode)
	}
	r.noRecords(recordLock, recordJournal)
	r.serves()
}

// TestHoldPutsBackWhatADeployBreaks is a restore whose deploy fails.
func TestHoldPutsBackWhatADeployBreaks(t *testing.T) {
	r := newRig(t, "holdfail")
	r.converges(r.desired("1.0.0+1", compose("1")))
	before := r.standing()
	hold, err := r.Hold(t.Context(), r.stack, HoldOptions{Reason: "a restore", Takeover: true})
	if err == nil {
		err = hold.Stop(t.Context(), nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	sick := r.desired("2.0.0+2", compose("2", "MODE: serve", "MODE: exit1"), "CONF_VERSION", "v2")
	o := r.deploy(sick, func(o *DeployOptions) { o.Hold, o.Operation, o.OnFailure = hold, OpRestore, Leave })
	if o.Verdict == Converged || o.State == StatePrevious {
		t.Fatalf("%s, state %s", o.Verdict, o.State)
	}
	if err := hold.Stop(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if running := r.tasks(); running != "" {
		t.Errorf("%s run", running)
	}
	if err := hold.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.isBack(before)
	r.serves()
}

func TestStoppedSpec(t *testing.T) {
	two := uint64(2)
	replicated := swarm.ServiceSpec{Mode: swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &two}}}
	if s, ok := stoppedSpec(replicated); !ok || *s.Mode.Replicated.Replicas != 0 || *replicated.Mode.Replicated.Replicas != 2 {
		t.Errorf("replicated: %+v, and what stood has %d", s.Mode, *replicated.Mode.Replicated.Replicas)
	}
	global := swarm.ServiceSpec{Mode: swarm.ServiceMode{Global: &swarm.GlobalService{}}}
	s, ok := stoppedSpec(global)
	if !ok || len(s.TaskTemplate.Placement.Constraints) != 1 || global.TaskTemplate.Placement != nil {
		t.Errorf("global: %+v", s.TaskTemplate.Placement)
	}
	if again, _ := stoppedSpec(s); len(again.TaskTemplate.Placement.Constraints) != 1 {
		t.Errorf("stopped twice: %q", again.TaskTemplate.Placement.Constraints)
	}
	for _, mode := range []swarm.ServiceMode{{ReplicatedJob: &swarm.ReplicatedJob{}}, {GlobalJob: &swarm.GlobalJob{}}} {
		if _, ok := stoppedSpec(swarm.ServiceSpec{Mode: mode}); ok {
			t.Errorf("a job was stopped: %+v", mode)
		}
	}
}
