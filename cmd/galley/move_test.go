package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/galley-coop/galley/internal/engine"
	"github.com/galley-coop/galley/internal/localregistry"
)

// TestMove runs a script with two servers: "default" and the one at $OTHER, which reach
// the same registry and are swarms of their own.
func TestMove(t *testing.T) {
	t.Parallel()
	shared := engine.SharedCluster{Options: engine.ClusterOptions{Managers: 1, Workers: 1}}
	cluster := shared.Get(t)
	t.Cleanup(func() {
		if err := cluster.Close(); err != nil {
			t.Error(err)
		}
	})
	here, there := cluster.Nodes()[0], cluster.Nodes()[1]
	if err := becomeServer(t.Context(), there); err != nil {
		t.Fatal(err)
	}
	p := params("")
	p.Files = []string{filepath.Join("testdata", "move", "move.txtar")}
	p.Setup = func(env *testscript.Env) error {
		if err := setup(env); err != nil {
			return err
		}
		s := env.Values[stageKey{}].(*stage)
		registry, err := localregistry.Start(localregistry.WithAddr(cluster.BridgeAddr()+":0"), localregistry.WithHandler(s.lie))
		if err != nil {
			return err
		}
		env.Defer(func() { _ = registry.Close() })
		s.registry, s.engine, s.t = registry, here.Engine, t
		s.killServer = func(ctx context.Context, service string) error {
			return killWhenStopped(ctx, cluster, here, there, service)
		}
		env.Setenv("REGISTRY", registry.Addr)
		env.Setenv("DOCKER_HOST", here.Host())
		env.Setenv("OTHER", there.Host())
		return nil
	}
	testscript.Run(t, p)
}

// becomeServer makes a node leave its swarm and begin one of its own.
func becomeServer(ctx context.Context, n *engine.Node) error {
	client, err := n.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.SwarmLeave(ctx, true); err != nil {
		return fmt.Errorf("leaving the swarm: %w", err)
	}
	if _, err := client.SwarmInit(ctx, swarm.InitRequest{ListenAddr: "0.0.0.0:2377", AdvertiseAddr: n.NodeAddr()}); err != nil {
		return fmt.Errorf("beginning another one: %w", err)
	}
	return nil
}

// killWhenStopped kills one node as soon as a service of the other one was told to stop.
func killWhenStopped(ctx context.Context, cluster *engine.Cluster, dies, runs *engine.Node, service string) error {
	client, err := runs.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		s, _, err := client.ServiceInspectWithRaw(ctx, service, swarm.ServiceInspectOptions{})
		if err != nil {
			return err
		}
		if mode := s.Spec.Mode.Replicated; mode != nil && mode.Replicas != nil && *mode.Replicas == 0 {
			return cluster.Kill(dies)
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return errors.New("nobody stopped " + service)
		}
	}
}

// killserver SERVICE: the first server dies when the other one's service is stopped.
func killServer(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(stageOf(ts).killServer(context.Background(), args[0]))
}
