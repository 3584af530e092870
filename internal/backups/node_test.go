package backups

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/internal/engine"
)

// startCluster is a swarm of a manager and a worker, and a stage whose apps run on the worker.
func startCluster(t *testing.T) (*engine.Cluster, *stage) {
	t.Helper()
	useStage(t) // skips where there is none
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cluster, err := engine.StartCluster(ctx, engine.ClusterOptions{Managers: 1, Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &stage{}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.start(cluster.Node("manager1").Engine, cluster.Node("worker1").Engine, cluster.BridgeAddr()); err != nil {
		t.Fatal(err)
	}
	return cluster, s
}

// TestNodeDown backs up an app on another node than the connected one, has that node die, and
// restores the app when it is back. Meanwhile neither is done to a volume of the same
// name on a node that lives.
func TestNodeDown(t *testing.T) {
	t.Parallel()
	cluster, s := startCluster(t)
	worker := cluster.Node("worker1")
	a := newAppWith(t, s, "node", func(a *app) {
		nodes := filepath.Join(a.galleyDir(), "servers", "default", "nodes")
		if err := os.WriteFile(nodes, []byte(worker.Host()+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}, "NODE_ROLE=worker")
	a.put("file", "precious")
	run := a.backUp()
	a.put("file", "spoiled")
	if _, err := a.api.VolumeCreate(t.Context(), volumeOf(a)); err != nil { // on the manager
		t.Fatal(err)
	}
	if err := cluster.Kill(worker); err != nil {
		t.Fatal(err)
	}
	a.exits(3, []string{"worker1", "cannot be reached", "servers/default/nodes"}, "backup", "create", a.domain)
	eventually(t, "the swarm's notice", func() bool {
		node, _, err := a.api.NodeInspectWithRaw(t.Context(), worker.SwarmID)
		return err == nil && node.Status.State == swarm.NodeStateDown
	})
	a.exits(3, []string{"worker1", "cannot be reached", "servers/default/nodes"}, "backup", "create", a.domain)
	if err := a.api.VolumeRemove(t.Context(), a.stack+"_data", false); err != nil {
		t.Fatal(err)
	}
	a.exits(3, []string{"worker1", "cannot be reached", "--node"}, "restore", a.domain, run, "--yes")
	if left := a.records(); len(left) > 0 {
		t.Errorf("left on the swarm: %q", left)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := cluster.Restart(ctx, worker); err != nil {
		t.Fatal(err)
	}
	a.restore(run)
	a.holds("file", "precious")
	a.leavesNothing()
}
