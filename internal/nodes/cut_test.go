package nodes

import (
	"strings"
	"testing"

	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/deployer"
)

// TestNetworkCut takes a worker and the connected manager off the network under a
// deploy, and brings them back: the deploy waits, and ends as if nothing had been. Where
// swarm takes the end of a task on the cut node for one of the new version's, it
// pauses the update, and the stack is put back.
func TestNetworkCut(t *testing.T) {
	r := newRig(t, "cut")
	leader := r.survivor()
	home := r.followerOf(leader)
	worker := r.cluster.Node("worker1")
	e := r.connect(home.Host())
	r.converges(e, r.desired("1", onWorkers("0s")))
	done := r.begin(t.Context(), e, r.desired("2", onWorkers("4s")))
	r.eventually("the new version on its way", func() bool { return strings.Contains(r.image("app"), "/app:2@") })
	for _, n := range []string{home.Name, worker.Name} {
		if err := r.cluster.Cut(r.cluster.Node(n)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.cluster.Heal(r.cluster.Node(n)) })
	}
	api := r.swarmOf(leader)
	r.eventually("the swarm's notice", func() bool {
		nodes, err := api.NodeList(t.Context(), swarm.NodeListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		down := 0
		for _, n := range nodes {
			if n.Status.State == swarm.NodeStateDown {
				down++
			}
		}
		return down == 2
	})
	for _, n := range []string{home.Name, worker.Name} {
		if err := r.cluster.Heal(r.cluster.Node(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.cluster.Settled(t.Context()); err != nil {
		t.Fatal(err)
	}
	end := r.await(done)
	verdict, state, stands, desired := deployer.Converged, deployer.StateNew, r.images[1], r.desired("2", onWorkers("4s"))
	if end.outcome.Verdict == deployer.Failed && strings.Contains(end.outcome.Reason, "swarm paused the update") {
		verdict, state, stands, desired = deployer.Failed, deployer.StatePrevious, r.images[0], r.desired("1", onWorkers("0s"))
	}
	r.ends(end.outcome, end.err, verdict, state)
	if image := r.image("app"); !strings.HasSuffix(image, stands.Digest) {
		t.Errorf("the stack has %s", image)
	}
	r.isDone(2, verdict)
	observed, err := r.connect(home.Host(), r.others(home)...).Observe(t.Context(), desired)
	if err != nil || len(observed.Problems) > 0 || observed.Containers != 4 || observed.Requested != 0 {
		t.Errorf("%v, %+v", err, observed)
	}
}
