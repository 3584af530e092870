package deployer

import "testing"

// TestSeenForgetsRevokedSigners is what lets operators follow a publisher whose
// timestamp key was stolen: the thief's version is never reached.
func TestSeenForgetsRevokedSigners(t *testing.T) {
	records := []Record{
		{Catalogue: CatalogueMark{Fingerprint: "ours", Timestamp: 5, Snapshot: 3, TimestampSigners: "a", SnapshotSigners: "s"}},
		{Catalogue: CatalogueMark{Fingerprint: "ours", Timestamp: 1 << 40, Snapshot: 4, TimestampSigners: "a", SnapshotSigners: "s"}},
		{Catalogue: CatalogueMark{Fingerprint: "ours", Timestamp: 6, Snapshot: 4, TimestampSigners: "b", SnapshotSigners: "s"}},
		{Catalogue: CatalogueMark{Fingerprint: "theirs", Timestamp: 900, Snapshot: 900}},
		{Catalogue: CatalogueMark{Fingerprint: "ours", Timestamp: 2, Snapshot: 2}}, // of before signers were recorded
	}
	for _, test := range []struct {
		mark                CatalogueMark
		timestamp, snapshot int64
	}{
		{CatalogueMark{Fingerprint: "ours", TimestampSigners: "a", SnapshotSigners: "s"}, 1 << 40, 4},
		{CatalogueMark{Fingerprint: "ours", TimestampSigners: "b", SnapshotSigners: "s"}, 6, 4},
		{CatalogueMark{Fingerprint: "ours", TimestampSigners: "c", SnapshotSigners: "t"}, 2, 2},
		{CatalogueMark{Fingerprint: "nobody's"}, 0, 0},
	} {
		seen := seenIn(records, test.mark)
		if seen.Timestamp != test.timestamp || seen.Snapshot != test.snapshot {
			t.Errorf("for %+v: timestamp %d, snapshot %d, expected %d and %d", test.mark, seen.Timestamp, seen.Snapshot, test.timestamp, test.snapshot)
		}
	}
}

// TestLastCatalogue passes over what did not change the stack's catalogue.
func TestLastCatalogue(t *testing.T) {
	records := []Record{
		{Verdict: Converged, Entry: "e", Catalogue: CatalogueMark{Fingerprint: "first"}},
		{Verdict: Converged, Entry: "e", Catalogue: CatalogueMark{Fingerprint: "second"}},
		{Verdict: "failed", Entry: "e", Catalogue: CatalogueMark{Fingerprint: "third"}},
		{Verdict: Converged, Catalogue: CatalogueMark{}}, // an undeploy
	}
	if got := lastCatalogue(records); got.Fingerprint != "second" {
		t.Errorf("the last catalogue is %q, expected second", got.Fingerprint)
	}
	if got := lastCatalogue(records[2:]); got.Fingerprint != "" {
		t.Errorf("a stack that was never deployed has catalogue %q", got.Fingerprint)
	}
}
