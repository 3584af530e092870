package deployer

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/galley-coop/galley/internal/fault"
)

func TestInterruptedBeforeTheFirstWrite(t *testing.T) {
	r := newRig(t, "early")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := r.Deploy(cancelled, r.desired("1.0.0+1", compose("1")), nil, DeployOptions{})
	if fault.KindOf(err) != fault.Interrupted {
		t.Errorf("%v, want an interruption", err)
	}
	if left := r.inventory(t.Context()); len(left) > 0 {
		t.Errorf("it left %q", left)
	}

	t.Log("behind the journal")
	r.converges(r.desired("1.0.0+1", compose("1")))
	before := r.inventory(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	asked := func(string) (string, error) { cancel(); return "", nil } // the last step before the write
	_, err = r.Deploy(ctx, r.desired("2.0.0+2", compose("2")), nil, DeployOptions{Credentials: asked})
	if fault.KindOf(err) != fault.Interrupted || ctx.Err() == nil {
		t.Errorf("%v, want an interruption", err)
	}
	if after := r.inventory(t.Context()); strings.Join(after, "\n") != strings.Join(before, "\n") {
		t.Errorf("before %q, after %q", before, after)
	}
}

func TestPutBackThatIsNotWaitedFor(t *testing.T) {
	r := newRig(t, "hurry")
	r.converges(r.desired("1.0.0+1", compose("1", "stop_grace_period: 1s", "stop_grace_period: 3s")))
	before := r.standing()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	hurry, now := context.WithCancel(t.Context())
	defer now()
	o := r.deployUntil(ctx, r.desired("2.0.0+2", slowVersion("2")), func(o *DeployOptions) {
		o.Hurry = hurry
		o.Report = func(e Event) {
			if e.Stage == "watch" {
				cancel()
			}
			if e.Stage == "put back" {
				now()
			}
		}
	})
	r.ends(o, Stopped, StateUnknown)
	if !strings.Contains(o.Reason, errNotAwaited.Error()) {
		t.Errorf("reason %q", o.Reason)
	}
	if after := r.standing(); after != before {
		t.Errorf("the old specs are not written; before:\n%s\nafter:\n%s", before, after)
	}
	if _, id, err := r.readJournal(t.Context(), r.stack); err != nil || id == "" {
		t.Errorf("the journal is gone (%v), and nobody saw the stack run", err)
	}
	r.converges(r.desired("1.0.0+1", compose("1", "stop_grace_period: 1s", "stop_grace_period: 3s")))
	r.isBack(before)
}

func TestLockNamesItsHolder(t *testing.T) {
	r := newRig(t, "locked")
	lock, _, err := r.Lock(t.Context(), r.stack, "a test")
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Deploy(t.Context(), r.desired("1.0.0+1", compose("1")), nil, DeployOptions{})
	if err == nil || !strings.Contains(err.Error(), "is locked by "+Operator()+" since ") || !strings.HasSuffix(err.Error(), ", for a test") || fault.KindOf(err).ExitCode() != 3 {
		t.Errorf("%v, want the lock's holder", err)
	}
	if err := lock.Check(t.Context()); err != nil {
		t.Errorf("the holder: %v", err)
	}
	if err := lock.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.noRecords(recordLock)
}

func TestLockThatBeatsIsBelievedAndAStaleOneIsNot(t *testing.T) {
	r := newRig(t, "beats")
	second := r.lab.connect(t)
	second.staleAfter = time.Second
	r.beatEvery = 100 * time.Millisecond
	lock, _, err := r.Lock(t.Context(), r.stack, "a test")
	if err != nil {
		t.Fatal(err)
	}
	since := time.Now()
	for time.Since(since) < 2*second.staleAfter {
		if _, _, err := second.Lock(t.Context(), r.stack, "another"); err == nil {
			t.Fatal("a lock that beats was taken over")
		}
	}
	lock.stop() // so it looks when its holder died
	<-lock.done
	var successor *Lock
	r.eventually("the takeover", func() bool {
		var takeover string
		successor, takeover, err = second.Lock(t.Context(), r.stack, "another")
		if err == nil && takeover != Operator() {
			t.Errorf("taken over from %q, want %q", takeover, Operator())
		}
		return err == nil
	})
	if err := lock.Check(t.Context()); !errors.Is(err, errLockLost) {
		t.Errorf("the first holder: %v, want that it lost the lock", err)
	}
	if err := lock.Release(t.Context()); err != nil {
		t.Errorf("releasing a lost lock: %v", err)
	}
	if err := successor.Check(t.Context()); err != nil {
		t.Errorf("the successor: %v", err)
	}
	if err := successor.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestLostLockStopsWriting(t *testing.T) {
	r := newRig(t, "lost")
	r.converges(r.desired("1.0.0+1", compose("1")))
	before := r.standing()
	lose := func(then func() error) Outcome {
		return r.deploy(r.desired("2.0.0+2", compose("2")), func(o *DeployOptions) {
			o.Credentials = func(string) (string, error) {
				locks, err := r.records(t.Context(), recordLock, r.stack)
				if err != nil || len(locks) != 1 {
					return "", errors.New("no lock to take")
				}
				if err := r.removeRecord(t.Context(), locks[0].ID); err != nil {
					return "", err
				}
				return "", then()
			}
		})
	}
	lost := func(o Outcome) {
		t.Helper()
		r.ends(o, Failed, StatePrevious) // the first write was refused
		if !strings.Contains(o.Reason, errLockLost.Error()) {
			t.Errorf("reason %q", o.Reason)
		}
		if after := r.standing(); after != before {
			t.Errorf("the stack changed; before:\n%s\nafter:\n%s", before, after)
		}
	}

	t.Log("nobody has it: the journal goes, too")
	lost(lose(func() error { return nil }))
	r.isBack(before)

	t.Log("another has it, and may count on the journal")
	var others *Lock
	lost(lose(func() (err error) {
		others, _, err = r.Lock(t.Context(), r.stack, "something else")
		return err
	}))
	if _, id, err := r.readJournal(t.Context(), r.stack); err != nil || id == "" {
		t.Errorf("the journal is gone (%v), and the lock was another's", err)
	}
	if err := others.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.converges(r.desired("1.0.0+1", compose("1")))
	r.isBack(before)
}
