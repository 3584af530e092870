package main

import (
	"testing"

	"github.com/galley-coop/galley/deployer"
)

func TestHistoryShowsWhatChangedAlone(t *testing.T) {
	for plan, want := range map[string]string{
		"5 to create, 0 to change, 0 to remove, 1 unchanged":                       "5 to create",
		"0 to create, 2 to change (2 services restart), 1 to remove, 10 unchanged": "2 to change (2 services restart), 1 to remove",
		"10 to create, 0 to change, 20 to remove, 0 unchanged":                     "10 to create, 20 to remove",
		"nothing to change": "nothing to change",
		"":                  "-",
	} {
		if got := changesOf(deployer.Record{Plan: plan}); got != want {
			t.Errorf("of %q the history shows %q, want %q", plan, got, want)
		}
	}
}

func TestHistoryLine(t *testing.T) {
	for _, c := range []struct {
		record             deployer.Record
		change, ended, why string
	}{
		{deployer.Record{To: "1", Verdict: deployer.Converged, State: deployer.StateNew}, "(none) → 1", "converged", "-"},
		{deployer.Record{From: "1", To: "1", Verdict: deployer.Converged, State: deployer.StateNew, Unverified: []string{"not vetted"}}, "1", "converged", "unverified: not vetted"},
		{deployer.Record{From: "1", To: "2", Verdict: deployer.Failed, State: deployer.StatePrevious, Reason: "no", Unverified: []string{"a tree"}}, "1 → 2", "failed, state previous", "unverified: a tree; no"},
		{deployer.Record{Operation: deployer.OpUndeploy, From: "2", Verdict: deployer.Converged, State: deployer.StateNew, Reason: "undeployed"}, "2 → (none)", "converged", "undeployed"},
		{deployer.Record{Operation: deployer.OpUnlock, Verdict: deployer.Converged, State: deployer.StateUnknown, Reason: "the lock of a@b"}, "-", "done", "the lock of a@b"},
	} {
		if got := change(c.record); got != c.change {
			t.Errorf("%+v: version %q, want %q", c.record, got, c.change)
		}
		if got := verdictOf(c.record); got != c.ended {
			t.Errorf("%+v: ended %q, want %q", c.record, got, c.ended)
		}
		if got := why(c.record); got != c.why {
			t.Errorf("%+v: why %q, want %q", c.record, got, c.why)
		}
	}
}
