package deployer

import (
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/client"

	"github.com/galley-coop/galley/internal/fault"
)

// TestRestoring holds that nobody deploys onto data that is half restored.
func TestRestoring(t *testing.T) {
	r := newRig(t, "restoring")
	d := r.desired("1.0.0+1", compose("1"))
	r.converges(d)
	before := r.standing()
	if left, err := r.Restoring(t.Context(), r.stack); left != nil || err != nil {
		t.Fatalf("there is no restore, and %+v, %v", left, err)
	}
	hold, err := r.Hold(t.Context(), r.stack, HoldOptions{Reason: "a restore"})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 30, 1, 59, 59, 0, time.UTC)
	kept := []KeptVolume{{Volume: r.stack + "_data", Name: KeptName(r.stack+"_data", at), NodeID: r.NodeID, Node: "n1", Run: "20261130T015959Z-3f9c", At: at}}
	begun, err := r.BeginRestore(t.Context(), hold, "20261130T015959Z-3f9c", kept, []string{r.stack + "_new"}, RestoredBeside{Secrets: []string{r.stack + "_key_v2"}, EnvMade: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.BeginRestore(t.Context(), hold, "20261130T020000Z-0000", nil, nil, RestoredBeside{}); err == nil {
		t.Error("a second restore was begun beside it")
	}
	hold.Close(t.Context()) // as if its galley had died

	t.Log("every way to a deploy is refused, whatever it is for")
	for _, operation := range []Operation{OpDeploy, OpUpgrade, OpRollback, OpRestart, OpScale} {
		_, err := r.Deploy(t.Context(), d, nil, DeployOptions{Operation: operation})
		if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "a restore of run 20261130T015959Z-3f9c by "+Operator()) || !strings.Contains(fault.HintOf(err), "--undo") {
			t.Errorf("%s: %v (%s)", operation, err, fault.HintOf(err))
		}
	}
	if after := r.standing(); after != before {
		t.Errorf("it changed: %s", after)
	}
	r.noRecords(recordLock, recordJournal)

	t.Log("another machine sees what there is, and goes on")
	other, err := open(t.Context(), "test", r.lab.host, []client.Opt{client.WithHost(r.lab.host)})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	left, err := other.Restoring(t.Context(), r.stack)
	if err != nil || left == nil {
		t.Fatalf("%+v, %v", left, err)
	}
	if left.Run != begun.Run || left.By != Operator() || left.Writing || len(left.Kept) != 1 || left.Kept[0] != kept[0] || len(left.Made) != 1 || !left.Since.Equal(begun.Since) || !left.EnvMade || len(left.Secrets) != 1 {
		t.Errorf("it is %+v", left)
	}
	if _, err := other.Hold(t.Context(), r.stack, HoldOptions{Reason: "a backup"}); err == nil || !strings.Contains(err.Error(), "did not end") {
		t.Errorf("a backup of it: %v", err)
	}
	takeover := HoldOptions{Reason: "a restore", Takeover: true}
	hold, err = other.Hold(t.Context(), r.stack, takeover)
	if err != nil {
		t.Fatal(err)
	}
	if err := left.Write(t.Context(), hold); err != nil {
		t.Fatal(err)
	}
	if seen, err := r.Restoring(t.Context(), r.stack); err != nil || seen == nil || !seen.Writing || len(seen.Kept) != 1 {
		t.Errorf("when volumes are written: %+v, %v", seen, err)
	}

	t.Log("without the lock nothing is noted")
	hold.Close(t.Context())
	if hold, err = other.Hold(t.Context(), r.stack, takeover); err != nil {
		t.Fatal(err)
	}
	locked := r.lockedBy()
	if err := r.Unlock(t.Context(), locked, true); err != nil {
		t.Fatal(err)
	}
	if err := left.Write(t.Context(), hold); err == nil {
		t.Error("a lock that was taken away is good enough to write volumes")
	}
	hold.Close(t.Context())

	t.Log("and it is over")
	if err := left.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.ends(r.deploy(d), Converged, StateNew)
	r.noRecords(recordLock, recordJournal, recordRestore)
}

// TestRestoreDoneAndLeft has galley die between the end of a restore and that of its
// records: what was restored runs on, and what stood before it is not put back.
func TestRestoreDoneAndLeft(t *testing.T) {
	r := newRig(t, "restored")
	r.converges(r.desired("1.0.0+1", compose("1")))
	for _, next := range []string{"a deploy", "a backup", "another restore"} {
		hold, err := r.Hold(t.Context(), r.stack, HoldOptions{Reason: "a restore"})
		if err == nil {
			err = hold.Stop(t.Context(), nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		restore, err := r.BeginRestore(t.Context(), hold, "20261130T015959Z-3f9c", nil, nil, RestoredBeside{})
		if err == nil {
			err = restore.Write(t.Context(), hold)
		}
		if err != nil {
			t.Fatal(err)
		}
		d := r.desired("2.0.0+2", compose("2"), "CONF_VERSION", "v2")
		r.ends(r.deploy(d, func(o *DeployOptions) { o.Hold, o.Operation, o.OnFailure = hold, OpRestore, Leave }), Converged, StateNew)
		restored := r.standing()
		if err := restore.enter(t.Context(), hold, phaseDone); err != nil {
			t.Fatal(err)
		}
		hold.Close(t.Context()) // as if its galley had died
		status, err := r.Status(t.Context(), r.stack)
		if err != nil || !status.Unfinished || status.Restoring != "" {
			t.Errorf("the status is %+v, %v", status, err)
		}
		if left, err := r.Restoring(t.Context(), r.stack); left != nil || err != nil {
			t.Errorf("a restore that is done is left: %+v, %v", left, err)
		}

		t.Log(next)
		if next == "a deploy" {
			r.ends(r.deploy(d), Converged, StateNew)
		} else {
			hold, err := r.Hold(t.Context(), r.stack, HoldOptions{Reason: next, Takeover: next == "another restore"})
			if err != nil {
				t.Fatal(err)
			}
			if recovered, err := hold.Recover(t.Context()); recovered || err != nil {
				t.Errorf("what stood before came back: %t, %v", recovered, err)
			}
			hold.Close(t.Context())
		}
		r.noRecords(recordLock, recordJournal, recordRestore)
		if after := r.standing(); after != restored {
			t.Errorf("after %s it is\n%s\nand was\n%s", next, after, restored)
		}
	}
}
