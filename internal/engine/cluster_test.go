package engine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/swarm"
)

// TestCluster starts the default cluster, does to it what tests do, and closes it.
func TestCluster(t *testing.T) {
	require(t, Available())
	rules := firewall(t)
	before := inventory(t)
	c, err := StartCluster(testContext(t), ClusterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		sameAs(t, before)
		if got := firewall(t); got != rules {
			t.Errorf("the host's firewall changed from\n%s\nto\n%s", rules, got)
		}
	})
	checkNodes(t, c)
	leader, err := c.Leader(testContext(t))
	if err != nil || leader != c.Node("manager1") {
		t.Errorf("the leader is %v, %v; want the manager that began the swarm", leader, err)
	}
	worker := c.Node("worker2")
	data := filepath.Join(worker.Dir(), "data")
	if err := c.Kill(worker); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(data); err != nil || worker.rec.Init.alive() {
		t.Errorf("a killed node runs on (%v), or lost its data: %v", worker.rec.Init.alive(), err)
	}
	awaitDown(t, c, worker)
	if err := c.Restart(testContext(t), worker); err != nil {
		t.Fatal(err)
	}
	checkNodes(t, c)
	manager := c.Node("manager3")
	if err := c.Cut(manager); err != nil {
		t.Fatal(err)
	}
	awaitDown(t, c, manager)
	if _, err := dial(t, manager.Engine).Ping(testContext(t)); err != nil {
		t.Errorf("the socket of a node that is cut off: %v", err)
	}
	if err := c.Heal(manager); err != nil {
		t.Fatal(err)
	}
	if err := c.Settled(testContext(t)); err != nil {
		t.Fatal(err)
	}
}

// checkNodes compares the swarm's own list with the cluster's.
func checkNodes(t *testing.T, c *Cluster) {
	t.Helper()
	listed, err := c.list(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, n := range c.Nodes() {
		want = append(want, fmt.Sprintf("%s %s manager %v at %s", n.SwarmID, n.Name, n.Manager, n.NodeAddr()))
	}
	for _, l := range listed {
		addr := l.Status.Addr
		if l.ManagerStatus != nil { // the leader's own entry has no other address
			addr, _, _ = strings.Cut(l.ManagerStatus.Addr, ":")
		}
		got = append(got, fmt.Sprintf("%s %s manager %v at %s", l.ID, l.Description.Hostname, l.Spec.Role == swarm.NodeRoleManager, addr))
	}
	slices.Sort(want)
	slices.Sort(got)
	if len(want) != 5 || !slices.Equal(want, got) {
		t.Errorf("the swarm has %q, want %q", got, want)
	}
}

func awaitDown(t *testing.T, c *Cluster, n *Node) {
	t.Helper()
	eventually(t, "the swarm's notice of "+n.Name, func(ctx context.Context) error {
		listed, err := c.list(ctx)
		if err == nil && n.readyIn(listed) == nil {
			err = errors.New("it counts as ready")
		}
		return err
	})
}

// TestClusterOwnerKilled kills the owner of a cluster with -9 at several points of its
// start, and sweeps.
func TestClusterOwnerKilled(t *testing.T) {
	require(t, Available())
	for _, when := range []string{"cluster: switch", "cluster: every daemon"} {
		t.Run(when, func(t *testing.T) {
			before := inventory(t)
			killClusterOwner(t, when)
			// The folder of a node that was not begun with is empty, and swept when it
			// is old enough not to be somebody's who is about to begin.
			sameAs(t, before, func(ctx context.Context) error { return Sweep(ctx, "") })
		})
	}
}

func killClusterOwner(t *testing.T, when string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), ownerEnv+"=cluster")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := false
	for lines := bufio.NewScanner(stdout); !said && lines.Scan(); {
		said = strings.HasPrefix(lines.Text(), when)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if !said {
		t.Fatalf("the owner ended before it said %q", when)
	}
}

func TestClusterThatFailsLeavesNothing(t *testing.T) {
	require(t, Available())
	broken := filepath.Join(t.TempDir(), "dockerd")
	if err := os.WriteFile(broken, []byte("#!/bin/sh\necho the data root is on fire; exit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	before := inventory(t)
	_, err := StartCluster(testContext(t), ClusterOptions{Managers: 1, Workers: 1, Dockerd: broken})
	if err == nil || !strings.Contains(err.Error(), "the data root is on fire") {
		t.Errorf("the error is %v, want the daemons' last words in it", err)
	}
	if _, err := StartCluster(testContext(t), ClusterOptions{Workers: 2}); err == nil {
		t.Error("a cluster without a manager was started")
	}
	sameAs(t, before)
}

func TestPickBlock(t *testing.T) {
	for _, tt := range []struct {
		pool string
		n    uint32
		want string
	}{
		{"10.214.0.0/16", 0, "10.214.0.0/28"},
		{"10.214.0.0/16", 4095, "10.214.255.240/28"},
		{"10.214.0.0/16", 4096, "10.214.0.0/28"},
		{"172.29.214.0/24", 17, "172.29.214.16/28"},
	} {
		if got := pickBlock(netip.MustParsePrefix(tt.pool), tt.n); got.String() != tt.want {
			t.Errorf("pickBlock(%s, %d) = %s, want %s", tt.pool, tt.n, got, tt.want)
		}
	}
	s := netSwitch{prefix: netip.MustParsePrefix("10.214.0.16/28"), host: netip.MustParseAddr("10.214.0.17")}
	if first, last := s.subnet(0), s.subnet(12); first.node.String() != "10.214.0.18" || last.node.String() != "10.214.0.30" || !s.prefix.Contains(last.node) {
		t.Errorf("nodes from %s to %s", first.node, last.node)
	}
}
