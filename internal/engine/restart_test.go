package engine

import (
	"context"
	"errors"
	"testing"
)

// TestRestart keeps the swarm and its node, and ends nothing but the daemon.
func TestRestart(t *testing.T) {
	e := StartT(t, Options{Swarm: true})
	c, err := e.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	before, err := c.Info(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	old, err := e.daemon()
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Restart(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if now, err := e.daemon(); err != nil || now.PID == old.PID || old.alive() {
		t.Errorf("daemon %d became %d (%v)", old.PID, now.PID, err)
	}
	eventually(t, "the swarm", func(ctx context.Context) error {
		after, err := c.Info(ctx)
		if err == nil && (after.Swarm.NodeID != before.Swarm.NodeID || !after.Swarm.ControlAvailable) {
			return errors.New("the node is no manager yet")
		}
		return err
	})
}
