package deployer

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galley-coop/galley/internal/engine"
)

// TestContainerdImageStore deploys to an engine that keeps its images in containerd,
// and so calls them by other digests: what runs is vouched for all the same. Engines
// before API 1.44 have no such store, and nothing to be wrong about.
func TestContainerdImageStore(t *testing.T) {
	_, api := useLab(t).node.Version()
	if olderAPI(api, "1.44") {
		return
	}
	dockerd := cmp.Or(os.Getenv(engine.DockerdEnv), "/usr/sbin/dockerd")
	wrapper := filepath.Join(t.TempDir(), "dockerd")
	script := fmt.Sprintf("#!/bin/sh\nPATH=%q:$PATH\nexec %q --feature containerd-snapshotter=true \"$@\"\n", filepath.Dir(dockerd), dockerd)
	if err := os.WriteFile(wrapper, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	l := &lab{}
	if err := l.start(t, engine.StartT(t, engine.Options{Swarm: true, Dockerd: wrapper})); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.registry.Close() })
	r := rigOn(t, l, "store")
	if info, err := r.api.Info(t.Context()); err != nil || !strings.Contains(fmt.Sprint(info.DriverStatus), "io.containerd.snapshotter") {
		t.Fatalf("the engine keeps its images in %s %v (%v)", info.Driver, info.DriverStatus, err)
	}
	for _, version := range []string{"1", "2"} {
		d := r.desired("1.0.0+"+version, compose(version))
		if o := r.converges(d); o.Observed != 1 || len(o.Dropped) > 0 {
			t.Errorf("%d containers observed, dropped %q", o.Observed, o.Dropped)
		}
		current, err := r.Current(t.Context(), r.stack, d.Stack)
		if err != nil {
			t.Fatal(err)
		}
		if plan, err := NewPlan(d, current); err != nil || !plan.Empty() {
			t.Errorf("the plan after the deploy: %v %s", err, asJSON(t, plan.Changes))
		}
	}
}
