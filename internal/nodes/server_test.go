package nodes

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/deployer"
	doctor "github.com/galley-coop/galley/deployer/server"
	"github.com/galley-coop/galley/internal/engine"
)

// TestServerCheck checks a server of five nodes, of which its nodes file names two: one
// takes no tasks.
func TestServerCheck(t *testing.T) {
	c := shared.Get(t)
	manager, worker, idle := c.Node("manager1"), c.Node("worker1"), c.Node("worker2")
	dir := deployer.Dir{Root: t.TempDir()}
	folder := doctor.Folder(dir, deployer.DefaultServer)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "nodes"), []byte(worker.Host()+"\n"+idle.Host()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_HOST", manager.Host())
	setAvailability(t, manager, idle, swarm.NodeAvailabilityDrain)
	t.Cleanup(func() { setAvailability(t, manager, idle, swarm.NodeAvailabilityActive) })

	r := doctor.Check(t.Context(), dir, []string{deployer.DefaultServer}, doctor.CheckOptions{Timeout: time.Minute})[0]
	for _, want := range []doctor.Finding{
		{Check: "engine", Status: doctor.OK, Node: "manager1"}, {Check: "engine", Status: doctor.OK, Node: "worker1"},
		{Check: "swarm", Status: doctor.OK, Text: "5 nodes, 3 managers"},
		{Check: "nodes", Status: doctor.Warning, Node: "worker2", Text: "drain"},
		{Check: "ports", Status: doctor.OK, Text: "8 ports answer"},
		{Check: "ports", Status: doctor.NotKnown, Text: "4789/udp"},
		{Check: "clock", Status: doctor.OK, Node: "worker1"},
		{Check: "networks", Status: doctor.OK, Node: "worker2"},
		{Check: "logs", Status: doctor.Warning, Node: "worker2"},
	} {
		if !slices.ContainsFunc(r.Findings, func(f doctor.Finding) bool {
			return f.Check == want.Check && f.Status == want.Status && strings.Contains(f.Node, want.Node) && strings.Contains(f.Text, want.Text)
		}) {
			t.Errorf("there is no finding like %+v", want)
		}
	}
	if t.Failed() {
		for _, f := range r.Findings {
			t.Logf("%+v", f)
		}
	}
	states, _, err := doctor.List(t.Context(), dir, time.Minute)
	if err != nil || len(states) != 1 || states[0].Nodes != 5 || states[0].Ready != 5 || states[0].Managers != 3 {
		t.Errorf("%+v, %v", states, err)
	}
}

// setAvailability says on a manager whether a node takes tasks.
func setAvailability(t *testing.T, manager, node *engine.Node, availability swarm.NodeAvailability) {
	t.Helper()
	api, err := manager.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for { // swarm itself moves a node's version
		found, _, err := api.NodeInspectWithRaw(ctx, node.SwarmID)
		if err != nil {
			t.Fatal(err)
		}
		found.Spec.Availability = availability
		err = api.NodeUpdate(ctx, node.SwarmID, found.Version, found.Spec)
		if err == nil {
			return
		}
		if !strings.Contains(err.Error(), "out of sequence") {
			t.Fatal(err)
		}
	}
}
