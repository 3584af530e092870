package deployer

import (
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"
)

// failingAt is a service whose last failing task was made at that second.
func failingAt(second float64) Progress {
	t := taskIn("f", 1, failed, second)
	return Progress{Phase: Failing, Slots: 1, Failed: &t, Reason: "its task failed 3 times"}
}

func upAt(phase Phase, second float64) Progress {
	return Progress{Phase: phase, Running: 1, Slots: 1, Since: sec(second)}
}

func TestConclude(t *testing.T) {
	for _, c := range []struct {
		name    string
		app, db Progress
		verdict Verdict // "" for none yet
	}{
		{"both settled", upAt(Settled, 1), upAt(Settled, 2), Converged},
		{"one settles", upAt(Settled, 1), upAt(Settling, 2), ""},
		{"one is broken", Progress{Phase: Broken, Reason: "x"}, upAt(Starting, 0), Failed},
		{"one is rolled back", Progress{Phase: Reversed, Reason: "x"}, upAt(Starting, 0), RolledBack},
		{"one fails, the other is pulled", failingAt(5), Progress{Phase: Pulling}, ""},
		{"one fails, the other starts", failingAt(5), Progress{Phase: Starting}, ""},
		{"one failed before the other came up", failingAt(5), upAt(Settling, 6), ""},
		{"one fails although the other is up", failingAt(7), upAt(Settling, 6), Failed},
		{"one fails although the other settled", failingAt(7), upAt(Settled, 6), Failed},
		{"both fail", failingAt(7), failingAt(8), Failed},
	} {
		end, done := conclude(map[string]Progress{"web_app": c.app, "web_db": c.db})
		if done != (c.verdict != "") || done && end.verdict != c.verdict {
			t.Errorf("%s: %v, %q; want %q", c.name, done, end.verdict, c.verdict)
		}
		if done && end.verdict != Converged && !strings.HasPrefix(end.reason, "service web_app: ") {
			t.Errorf("%s: reason %q", c.name, end.reason)
		}
	}
}

// TestClocks: whoever pulls stops the converging clock of all, and every moment
// counts on one of the two, so that no deploy goes on for ever.
func TestClocks(t *testing.T) {
	limits := Limits{Converge: 5 * time.Second, Pull: 10 * time.Second}
	waits := Progress{Phase: Starting, Slots: 1}
	pulls := Progress{Phase: Pulling, Slots: 1, Nodes: []string{"node-a", "node-b"}}
	var spent clocks
	pass := func(steps int, progress map[string]Progress) (reason string) {
		for range steps {
			if reason = limits.overdue(spent, progress); reason != "" {
				return reason
			}
			spent.add(time.Second, progress)
		}
		return limits.overdue(spent, progress)
	}
	both := map[string]Progress{"web_app": waits, "web_db": pulls}
	if reason := pass(10, both); reason != "" {
		t.Fatalf("after %+v: %q; it only pulled", spent, reason)
	}
	if reason, want := pass(1, both), "pulling images took longer than 10s: service web_db is pulling with 0 of 1 tasks: on node-a, node-b"; reason != want {
		t.Errorf("%q, want %q", reason, want)
	}
	spent = clocks{}
	apart := map[string]Progress{"web_app": waits, "web_db": upAt(Settled, 1)}
	reason := pass(5, both) + pass(5, apart)
	if reason != "" {
		t.Fatalf("after %+v: %q", spent, reason)
	}
	if reason, want := pass(1, apart), "converging took longer than 5s: service web_app is starting with 0 of 1 tasks"; reason != want {
		t.Errorf("%q, want %q", reason, want)
	}
}

func TestOverdueNamesWhoKnowsWhy(t *testing.T) {
	limits, spent := Limits{Converge: time.Second, Pull: time.Hour}, clocks{converging: time.Minute}
	bad := taskIn("f", 1, failed, 1, taskErr("task: non-zero exit (1)"))
	for want, second := range map[string]Progress{
		"service b is failing with 0 of 1 tasks; its last task failed with: task: non-zero exit (1)": {Phase: Failing, Slots: 1, Failed: &bad},
		"service b is starting with 0 of 1 tasks: no suitable node":                                  {Phase: Starting, Slots: 1, Waiting: "no suitable node"},
		"service a is starting with 0 of 1 tasks; its health check alone lets it start for 10m0s":    {Phase: Settled},
	} {
		got := limits.overdue(spent, map[string]Progress{"a": {Phase: Starting, Slots: 1, Patience: 10 * time.Minute}, "b": second})
		if got != "converging took longer than 1s: "+want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestPatienceFor(t *testing.T) {
	for want, period := range map[time.Duration]string{5 * time.Minute: "4m", 15 * time.Minute: "10m"} {
		d := wantStack(t, strings.Replace(slowToStart, "START", period, 1), "", "1.0.0+1", "registry.example.org/web:1")
		if got := patienceFor(d.Stack); got != want {
			t.Errorf("start_period %s: %s, want %s", period, got, want)
		}
	}
	if got := patienceFor(&Stack{Services: map[string]Service{"a": {Spec: swarm.ServiceSpec{}}}}); got != DefaultConverge {
		t.Errorf("no health check: %s", got)
	}
}

const slowToStart = `
services:
  web:
    image: registry.example.org/web:1
    healthcheck: {test: [CMD, "true"], start_period: START}
`

func TestForeign(t *testing.T) {
	ours, theirs := replicated(1).Spec, replicated(2).Spec
	for _, c := range []struct {
		name    string
		want    Expectation
		stored  *swarm.ServiceSpec
		foreign bool
	}{
		{"not guarded", Expectation{}, &theirs, false},
		{"new", Expectation{Guarded: true}, nil, false},
		{"new, and written again", Expectation{Guarded: true}, &ours, true},
		{"updated", Expectation{Guarded: true, Previous: &ours}, ptr(copySpec(ours)), false},
		{"updated, and written again", Expectation{Guarded: true, Previous: &ours}, &theirs, true},
		{"updated, and rolled back by swarm", Expectation{Guarded: true, Previous: &ours}, nil, false},
	} {
		if got := c.want.foreign(swarm.Service{PreviousSpec: c.stored}); got != c.foreign {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	o := Observation{Service: replicated(1), Slots: 1, Foreign: true, Tasks: []swarm.Task{taskIn("a", 1, running, -9)}}
	if p := judge(o, written, sec(60)); p.Phase != Broken || !strings.Contains(p.Reason, "someone else changed it") {
		t.Errorf("%s: %q", p.Phase, p.Reason)
	}
}
