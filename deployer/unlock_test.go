package deployer

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/galley-coop/galley/internal/fault"
)

// lockedBy is what another operator's galley sees.
func (r *rig) lockedBy() *Locked {
	r.t.Helper()
	locked, err := r.Locked(r.t.Context(), r.stack)
	if err != nil {
		r.t.Fatal(err)
	}
	return locked
}

func TestUnlock(t *testing.T) {
	r := newRig(t, "unlock")
	if locked := r.lockedBy(); locked.Lock != nil || locked.Journal != nil {
		t.Fatalf("nothing is locked, and %s", asJSON(t, locked))
	}
	r.beatEvery = 50 * time.Millisecond
	lock, _, err := r.Lock(t.Context(), r.stack, "a test")
	if err != nil {
		t.Fatal(err)
	}
	_, _, _, err = r.openJournal(t.Context(), &Journal{Stack: r.stack, Recipe: "test", From: "1.0.0+1", To: "2.0.0+2", By: "somebody"}, true)
	if err != nil {
		t.Fatal(err)
	}

	t.Log("the holder lives")
	locked := r.lockedBy()
	if l := locked.Lock; l == nil || !l.Alive || l.Owner != Operator() || !strings.HasSuffix(l.Owner, "@"+l.Host) || l.Reason != "a test" || l.PID == 0 {
		t.Fatalf("locked: %s", asJSON(t, locked))
	}
	if j := locked.Journal; j == nil || j.To != "2.0.0+2" || j.From != "1.0.0+1" || j.By != "somebody" {
		t.Errorf("journal: %s", asJSON(t, locked))
	}
	err = r.Unlock(t.Context(), locked, false)
	if err == nil || fault.KindOf(err).ExitCode() != 3 || !strings.Contains(fault.HintOf(err), "--force") {
		t.Errorf("%v, want a refusal with a hint", err)
	}
	if err := lock.Check(t.Context()); err != nil {
		t.Errorf("the lock is gone: %v", err)
	}

	t.Log("it looked dead, and beats again")
	locked.Lock.Alive = false
	r.eventually("a beat", func() bool {
		now := r.lockedBy()
		return now.Lock.record.Version.Index != locked.Lock.record.Version.Index
	})
	if err := r.Unlock(t.Context(), locked, false); err == nil || !strings.Contains(err.Error(), "is alive") {
		t.Errorf("%v, want a refusal", err)
	}

	t.Log("its holder is gone")
	lock.stop()
	<-lock.done
	second := r.lab.connect(t)
	second.staleAfter = time.Nanosecond
	if locked, err = second.Locked(t.Context(), r.stack); err != nil || locked.Lock.Alive {
		t.Fatalf("%v %s, want one that is not alive", err, asJSON(t, locked))
	}
	if err := second.Unlock(t.Context(), locked, false); err != nil {
		t.Fatal(err)
	}
	r.noRecords(recordLock)
	if err := lock.Check(t.Context()); !errors.Is(err, errLockLost) {
		t.Errorf("the holder: %v, want that it lost the lock", err)
	}
	if record := r.lastRecord(); record.Operation != OpUnlock || record.State != StateUnknown || !strings.Contains(record.Reason, "the lock of "+Operator()+" (a test)") {
		t.Errorf("the record says %+v", record)
	}
	if err := second.Unlock(t.Context(), locked, false); err == nil || !strings.Contains(err.Error(), "another one by now") {
		t.Errorf("%v, want that there is nothing to unlock", err)
	}

	t.Log("by force")
	if lock, _, err = r.Lock(t.Context(), r.stack, "another test"); err != nil {
		t.Fatal(err)
	}
	if err := r.Unlock(t.Context(), r.lockedBy(), true); err != nil {
		t.Error(err)
	}
	if err := lock.Check(t.Context()); !errors.Is(err, errLockLost) {
		t.Errorf("the holder: %v, want that it lost the lock", err)
	}
	if err := lock.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestHistoryOfManyWritersIsInOrder(t *testing.T) {
	r := newRig(t, "writers")
	const writers = 8
	var wait sync.WaitGroup
	for range writers {
		wait.Add(1)
		go func() {
			defer wait.Done()
			if err := r.remember(t.Context(), r.stack, Record{Recipe: "test"}); err != nil {
				t.Error(err)
			}
		}()
	}
	wait.Wait()
	records, err := r.History(t.Context(), r.stack)
	if err != nil || len(records) != writers {
		t.Fatalf("%d records (%v), want %d", len(records), err, writers)
	}
	for i, record := range records {
		if record.Number != i+1 {
			t.Errorf("record %d has the number %d", i+1, record.Number)
		}
	}
}

func TestDeployThatIsLeft(t *testing.T) {
	r := newRig(t, "left")
	leave := func(o *DeployOptions) { o.OnFailure = Leave }
	sick := compose("1", "MODE: serve", "MODE: exit1", "condition: any, ", "condition: none, ") // it fails for good at once
	o := r.deploy(r.desired("1.0.0+1", sick), leave)
	r.ends(o, Failed, StateMixed)
	if got := r.standing(); !strings.Contains(got, r.stack+"_app ") || !strings.Contains(got, "MODE=exit1") {
		t.Errorf("the first deploy was asked to leave what it made; there is %q", got)
	}
	if j := r.lockedBy().Journal; j == nil || j.To != "1.0.0+1" || j.From != "" {
		t.Errorf("journal %+v, want one of the deploy that was left", j)
	}

	t.Log("the next deploy starts from what stood before: nothing")
	o = r.deploy(r.desired("2.0.0+2", sick))
	r.ends(o, Failed, StatePrevious)
	if got := r.standing(); got != "" {
		t.Errorf("it left %s", got)
	}

	t.Log("an upgrade that is left, and the next that is put back")
	r.converges(r.desired("1.0.0+1", compose("1")))
	before := r.standing()
	r.ends(r.deploy(r.desired("2.0.0+2", compose("2", "MODE: serve", "MODE: exit1"), "CONF_VERSION", "v2"), leave), Failed, StateMixed)
	if r.standing() == before {
		t.Error("the stack was put back; it was to be left")
	}
	r.ends(r.deploy(r.desired("3.0.0+3", compose("3", "MODE: serve", "MODE: exit1"), "CONF_VERSION", "v3")), Failed, StatePrevious)
	r.isBack(before)
	r.serves()
}
