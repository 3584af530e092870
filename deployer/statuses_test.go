package deployer

import (
	"slices"
	"testing"
)

func TestStatuses(t *testing.T) {
	r := newRig(t, "statuses")
	d := r.desired("1.0.0+1", withNetwork(twoServices(compose("1"), "serve")))
	r.converges(d)
	for _, asked := range [][]string{nil, {r.stack}, {r.stack, "nothing_example_org"}} {
		all, err := r.Statuses(t.Context(), asked)
		if err != nil {
			t.Fatal(err)
		}
		if asked != nil && len(all) != 1 {
			t.Errorf("asked for %q it gives %d stacks", asked, len(all))
		}
		got := all[r.stack]
		if got == nil {
			t.Fatalf("asked for %q it gives %s", asked, asJSON(t, all))
		}
		if got.Recipe != "test" || got.Version != "1.0.0+1" || got.Entry != d.EntryDigest || got.Unverified != "" || got.Lock != nil || got.Unfinished ||
			got.Last == nil || got.Last.To != "1.0.0+1" || !got.Healthy() || got.Since.IsZero() || got.touched() != nil {
			t.Errorf("asked for %q: %s", asked, asJSON(t, got))
		}
		app, side := got.Services[0], got.Services[1]
		if app.Name != r.stack+"_app" || app.Health != HealthGood || app.Running != 1 || app.Wanted != 1 || len(app.Tasks) != 1 {
			t.Errorf("asked for %q: %s", asked, asJSON(t, app))
		}
		if side.Health != HealthRunning || side.Tasks[0].Node == "" || side.Tasks[0].Node == r.NodeID || side.Tasks[0].State != "running" {
			t.Errorf("asked for %q: %s", asked, asJSON(t, side))
		}
	}

	t.Log("who holds the lock, and what somebody changed by hand")
	lock, _, err := r.Lock(t.Context(), r.stack, "a test")
	if err != nil {
		t.Fatal(err)
	}
	spec, id, version := r.service("side")
	spec.Labels["by"] = "hand"
	r.change(id, version, spec)
	got, err := r.Status(t.Context(), r.stack)
	if err != nil {
		t.Fatal(err)
	}
	if got.Lock == nil || got.Lock.Owner != Operator() || got.Lock.Reason != "a test" || got.Lock.Stale {
		t.Errorf("the lock is %s", asJSON(t, got.Lock))
	}
	if touched := got.touched(); !slices.Equal(touched, []string{r.stack + "_side"}) {
		t.Errorf("touched by hand: %q", touched)
	}
	if err := lock.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Status(t.Context(), "nothing_example_org"); err == nil {
		t.Error("a stack that is not there has a status")
	}
}
