package nodes

import (
	"context"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/engine"
	"github.com/galley-coop/galley/internal/fault"
)

// onWorker is a stack that loses nothing with a manager.
func onWorker(delay string) string {
	return service("app", delay, "replicas: 1\n      placement: {constraints: [node.role == worker]}")
}

// slow is longer than any test.
const slow = "10m"

// TestLeaderDies kills the swarm's leader under three deploys at once: one that is
// connected to another manager, one whose own manager it was and that knows of no
// other, and one that does.
func TestLeaderDies(t *testing.T) {
	beside, stranded, moving := newRig(t, "beside"), newRig(t, "stranded"), newRig(t, "moving")
	c := beside.cluster
	leader := beside.survivor()
	rigs := []*rig{beside, stranded, moving}
	other := beside.followerOf(leader)
	engines := []*deployer.Engine{beside.connect(other.Host()), stranded.connect(leader.Host()), moving.connect(leader.Host(), moving.others(leader)...)}
	var firsts []<-chan ended
	for i, r := range rigs {
		firsts = append(firsts, r.begin(t.Context(), engines[i], r.desired("1", onWorker("0s"))))
	}
	for i, r := range rigs {
		end := r.await(firsts[i])
		r.ends(end.outcome, end.err, deployer.Converged, deployer.StateNew)
	}

	strandedCtx, giveUp := context.WithCancel(t.Context())
	movingCtx, interrupt := context.WithCancel(t.Context())
	defer giveUp()
	defer interrupt()
	besideEnd := beside.begin(t.Context(), engines[0], beside.desired("2", onWorker("2s")))
	strandedEnd := stranded.begin(strandedCtx, engines[1], stranded.desired("2", onWorker(slow)), func(o *deployer.DeployOptions) { o.Abort = strandedCtx })
	movingEnd := moving.begin(movingCtx, engines[2], moving.desired("2", onWorker(slow)))
	for _, r := range rigs {
		r.eventually("the new version on its way", func() bool { return strings.Contains(r.image("app"), "/app:2@") })
	}
	if err := c.Kill(leader); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		beside.revive(leader)
		if err := c.Settled(context.Background()); err != nil {
			t.Error(err)
		}
	})

	t.Log("its own manager is gone, and the operator does not wait")
	giveUp()
	end := stranded.await(strandedEnd)
	stranded.ends(end.outcome, end.err, deployer.Stopped, deployer.StateUnknown)
	if kind, good := end.outcome.Kind(); good || kind != fault.Left {
		t.Errorf("the exit code is %d, want that of an unknown state", kind.ExitCode())
	}

	t.Log("beside it")
	end = beside.await(besideEnd)
	beside.ends(end.outcome, end.err, deployer.Converged, deployer.StateNew)
	beside.isDone(2, deployer.Converged)

	t.Log("its own manager is gone, and it goes on with another")
	beat := moving.beat()
	moving.eventually("the lock's beat through another manager", func() bool { return moving.beat() != beat })
	interrupt()
	end = moving.await(movingEnd)
	moving.ends(end.outcome, end.err, deployer.Stopped, deployer.StatePrevious)
	moving.untilSaid("the connection moved to node")
	if image := moving.image("app"); !strings.HasSuffix(image, moving.images[0].Digest) {
		t.Errorf("it was put back to %s", image)
	}
	moving.isDone(2, deployer.Stopped)

	t.Log("a new connection goes by another manager")
	e := stranded.connect(leader.Host(), stranded.others(leader)...)
	if said := strings.Join(e.Warnings, "\n"); !strings.Contains(said, "no engine answers for server \"prod\"") || !strings.Contains(said, "connected to node unix://") {
		t.Errorf("the warnings are %q", said)
	}

	t.Log("and the next deploy takes over lock and journal")
	stranded.takesOver(e)
}

// takesOver deploys as soon as the lock of the deploy that was given up is stale.
func (r *rig) takesOver(e *deployer.Engine) {
	r.t.Helper()
	d := r.desired("3", onWorker("0s"))
	var o deployer.Outcome
	r.eventually("the takeover", func() bool {
		var err error
		o, err = r.deploy(r.t.Context(), e, d)
		if err != nil && !strings.Contains(err.Error(), "is locked by") {
			r.t.Fatal(err)
		}
		return err == nil
	})
	r.ends(o, nil, deployer.Converged, deployer.StateNew)
	r.untilSaid("the lock of", "was taken over")
	r.untilSaid("an earlier deploy of test to 2.0.0+2", "did not end")
	r.isDone(2, deployer.Converged)
}

// followerOf is a manager that does not lead.
func (r *rig) followerOf(leader *engine.Node) *engine.Node {
	for _, n := range r.cluster.Nodes() {
		if n.Manager && n != leader && !n.Dead() {
			return n
		}
	}
	r.t.Fatal("no other manager runs")
	return nil
}

// beat is the counter that the holder of the stack's lock moves, "" without one.
func (r *rig) beat() string {
	r.t.Helper()
	locks, err := r.swarmOf(r.survivor()).ConfigList(context.Background(), swarm.ConfigListOptions{
		Filters: filters.NewArgs(filters.Arg("label", "galley.stack="+r.stack), filters.Arg("label", "galley.record=lock")),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	if len(locks) == 0 {
		return ""
	}
	return locks[0].Spec.Labels["galley.beat"]
}
