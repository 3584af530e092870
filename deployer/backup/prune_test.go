package backup

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galley-coop/galley/deployer/backup/restic"
)

// runAt is a complete run; a name with "?" is an incomplete one.
func runAt(t *testing.T, when string) Run {
	t.Helper()
	when, incomplete := strings.CutSuffix(when, "?")
	began, err := time.Parse("2006-01-02 15:04", when)
	if err != nil {
		t.Fatal(err)
	}
	return Run{ID: began.Format(runTime) + "-0000", Domain: "a", Server: "s", Time: began, Complete: !incomplete}
}

func TestPolicyKeeps(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name   string
		policy Policy
		runs   []string // the newest first
		goes   []string
	}{
		{"nothing there", DefaultPolicy, nil, nil},
		{"nothing kept but the newest", Policy{}, []string{"2026-03-01 02:00", "2026-02-28 02:00"}, []string{"2026-02-28 02:00"}},
		{"last", Policy{Last: 2}, []string{"2026-03-01 03:00", "2026-03-01 02:00", "2026-03-01 01:00"}, []string{"2026-03-01 01:00"}},
		{"the newest of a day", Policy{Daily: 2}, []string{"2026-03-01 03:00", "2026-03-01 02:00", "2026-02-28 23:59", "2026-02-28 00:00", "2026-02-27 02:00"},
			[]string{"2026-03-01 02:00", "2026-02-28 00:00", "2026-02-27 02:00"}},
		{"days without a run do not count", Policy{Daily: 2}, []string{"2026-03-01 03:00", "2026-01-01 02:00", "2025-01-01 02:00"}, []string{"2025-01-01 02:00"}},
		{"weeks begin on Monday, across the year", Policy{Weekly: 2},
			[]string{"2026-01-04 01:00", "2025-12-29 01:00", "2025-12-28 01:00", "2025-12-22 01:00", "2025-12-21 01:00"},
			[]string{"2025-12-29 01:00", "2025-12-22 01:00", "2025-12-21 01:00"}},
		{"months", Policy{Monthly: 2}, []string{"2026-03-01 00:00", "2026-02-28 23:59", "2026-02-01 00:00", "2026-01-31 00:00"},
			[]string{"2026-02-01 00:00", "2026-01-31 00:00"}},
		{"all rules together", Policy{Last: 1, Daily: 1, Weekly: 2, Monthly: 2},
			[]string{"2026-03-01 03:00", "2026-03-01 02:00", "2026-02-22 01:00", "2026-02-21 01:00", "2026-01-31 01:00"},
			[]string{"2026-03-01 02:00", "2026-02-21 01:00", "2026-01-31 01:00"}},
		{"incomplete for a day", DefaultPolicy, []string{"2026-03-01 11:00?", "2026-02-28 12:01?", "2026-02-28 11:59?"}, []string{"2026-02-28 11:59?"}},
		{"incomplete ones do not count", Policy{Last: 1}, []string{"2026-03-01 11:00?", "2026-02-01 12:00", "2026-01-01 12:00"}, []string{"2026-01-01 12:00"}},
	} {
		var runs []Run
		for _, when := range test.runs {
			runs = append(runs, runAt(t, when))
		}
		var goes []string
		for i, d := range test.policy.Decide(runs, now) {
			if len(d.Reasons) == 0 {
				t.Errorf("%s: no reason for %s", test.name, test.runs[i])
			}
			if !d.Keep {
				goes = append(goes, test.runs[i])
			}
		}
		if !slices.Equal(goes, test.goes) {
			t.Errorf("%s: %q go, expected %q", test.name, goes, test.goes)
		}
	}
}

func TestPolicyIsOfEachApp(t *testing.T) {
	old := runAt(t, "2020-01-01 00:00")
	elsewhere, other := old, old
	elsewhere.Server, other.Domain = "s2", "b"
	alive := runAt(t, "2020-01-01 00:00?")
	alive.Snapshots = []restic.Snapshot{{Time: testTime}}
	for _, d := range (Policy{}).Decide([]Run{old, elsewhere, other, alive}, testTime.Add(time.Hour)) {
		if !d.Keep {
			t.Errorf("%+v goes", d)
		}
	}
}

func TestPruneKeepsRunsWhole(t *testing.T) {
	r, _, _ := fresh(t) // of its runs one is old, the other was given up
	m := newManifest("app.example.org", testTime.AddDate(0, 0, 2))
	if err := storeRun(r, m, noise(3, 100_000), true); err != nil {
		t.Fatal(err)
	}
	decided, err := r.PlanPrune(t.Context(), "", Policy{Last: 1}, testTime.AddDate(0, 0, 3))
	if err != nil || len(decided) != 3 || len(Removed(decided)) != 2 {
		t.Fatalf("decided %+v, %v", decided, err)
	}
	if err := r.Prune(t.Context(), decided); err != nil {
		t.Fatal(err)
	}
	runs, err := r.Runs(t.Context(), "")
	if err != nil || len(runs) != 1 || runs[0].ID != m.Run || len(runs[0].Snapshots) != 3 {
		t.Fatalf("left are %+v, %v", runs, err)
	}
	checked, err := r.Verify(t.Context(), runs, nil)
	if err != nil || !checked.OK {
		t.Errorf("what is left reads back as %+v, %v", checked, err)
	}
}
