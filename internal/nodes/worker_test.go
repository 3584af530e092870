package nodes

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/galley-coop/galley/deployer"
	"github.com/galley-coop/galley/internal/engine"
)

// onWorkers is a stack on the workers: two replicas, and a task on each.
func onWorkers(delay string) string {
	return service("app", delay, "replicas: 2\n      placement: {constraints: [node.role == worker]}") +
		service("agent", delay, "mode: global\n      placement: {constraints: [node.role == worker]}")
}

// killMidway kills worker1 while version 2 starts on it, and returns the deploy's end.
func (r *rig) killMidway(e *deployer.Engine, next *deployer.Desired) ended {
	r.t.Helper()
	dead := r.cluster.Node("worker1")
	done := r.begin(r.t.Context(), e, next)
	r.eventually("the new version on its way", func() bool { return strings.Contains(r.image("app"), "/app:2@") })
	if err := r.cluster.Kill(dead); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { r.revive(dead) })
	return r.await(done)
}

// revive starts a node that was killed, unless somebody did.
func (r *rig) revive(n *engine.Node) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if n.Dead() {
		if err := r.cluster.Restart(ctx, n); err != nil {
			r.t.Error(err)
		}
	}
}

// TestWorkerDies kills a worker while a new version starts on it. Swarm itself never
// ends such an update, as it waits for the dead node's tasks.
func TestWorkerDies(t *testing.T) {
	r := newRig(t, "worker")
	home, dead := r.cluster.Node("manager1"), r.cluster.Node("worker1")
	e := r.connect(home.Host(), r.others(home)...)
	r.converges(e, r.desired("1", onWorkers("0s")))
	r.runsOn("app", map[string]int{"worker1": 1, "worker2": 1})
	r.runsOn("agent", map[string]int{"worker1": 1, "worker2": 1})
	end := r.killMidway(e, r.desired("2", onWorkers("2s")))
	r.ends(end.outcome, end.err, deployer.Converged, deployer.StateNew)
	r.runsOn("app", map[string]int{"worker2": 2})
	r.runsOn("agent", map[string]int{"worker2": 1})
	if end.outcome.Observed != 3 || end.outcome.Requested != 0 {
		t.Errorf("%d containers observed, %d requested; want the 3 on the living worker", end.outcome.Observed, end.outcome.Requested)
	}
	r.isDone(2, deployer.Converged)

	t.Log("a failed deploy is put back beside the dead worker")
	sick := strings.ReplaceAll(service("extra", "0s", "replicas: 1"), "APP", r.registry.Addr+"/app:"+private) // fails at its first task
	o, err := r.deploy(t.Context(), e, r.desired("2", onWorkers("2s")+sick), func(o *deployer.DeployOptions) { o.Credentials = nil })
	r.ends(o, err, deployer.Failed, deployer.StatePrevious)
	r.runsOn("app", map[string]int{"worker2": 2})
	r.isDone(3, deployer.Failed)

	t.Log("and an undeploy does not wait for it")
	if _, err := e.Undeploy(t.Context(), r.stack, nil); err != nil {
		t.Fatal(err)
	}
	r.revive(dead)
	r.eventually("the containers' end on the worker that is back", func() bool {
		left, err := r.swarmOf(dead).ContainerList(t.Context(), container.ListOptions{})
		return err == nil && len(left) == 0
	})
}
