package nodes

import (
	"strings"
	"testing"

	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/deployer"
)

// TestNetworkCut takes a worker and the connected manager off the network under a
// deploy, and brings them back: the deploy waits, and ends as if nothing had been.
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
	r.ends(end.outcome, end.err, deployer.Converged, deployer.StateNew)
	if image := r.image("app"); !strings.HasSuffix(image, r.images[1].Digest) {
		t.Errorf("the stack has %s", image)
	}
	r.isDone(2, deployer.Converged)
	observed, err := r.connect(home.Host(), r.others(home)...).Observe(t.Context(), r.desired("2", onWorkers("4s")))
	if err != nil || len(observed.Problems) > 0 || observed.Containers != 4 || observed.Requested != 0 {
		t.Errorf("%v, %+v", err, observed)
	}
}
