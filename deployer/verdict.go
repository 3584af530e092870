package deployer

import (
	"cmp"
	"strings"
	"time"

	"github.com/galley-coop/galley/internal/fault"
)

// Verdict is how a deploy ended.
type Verdict string

// The verdicts.
const (
	Converged  Verdict = "converged"   // every service runs what was wanted, and it was verified
	Failed     Verdict = "failed"      // a task failed, was rejected or never became healthy
	RolledBack Verdict = "rolled back" // swarm itself rolled a service back
	TimedOut   Verdict = "timed out"   // pulling or converging took longer than allowed
	Stopped    Verdict = "interrupted" // a signal
	Unverified Verdict = "unverified"  // it runs, and is not what the entry vouches for
)

// StateAfter is what the stack is once a deploy ended, whatever the verdict.
type StateAfter string

// The states after.
const (
	StateNew      StateAfter = "new"      // what was wanted
	StatePrevious StateAfter = "previous" // what stood before, back and checked
	StateMixed    StateAfter = "mixed"    // some of each
	StateUnknown  StateAfter = "unknown"  // the engine could not be asked
)

// Outcome is the end of a deploy: the verdict, the state after, and why.
type Outcome struct {
	Verdict Verdict    `json:"verdict"`
	State   StateAfter `json:"state"`
	Reason  string     `json:"reason"` // one line, "" when converged
	// Failures are the services that caused the verdict.
	Failures []Failure `json:"failures"`
	// Dropped are fields of the wanted specs that the engine did not store.
	Dropped []string `json:"dropped"`
	// Observed counts the containers whose image was compared, Requested those
	// on nodes that cannot be asked.
	Observed  int `json:"observed"`
	Requested int `json:"requested"`
	// NotReached are the nodes, and the ways to nodes, that could not be asked.
	NotReached []NotReached `json:"not_reached"`
	// Pruned are old versions of the stack's configs that were removed.
	Pruned []string `json:"pruned"`
	// UnusedSecrets are secrets of the stack that nothing names any more; they stay.
	UnusedSecrets []string `json:"unused_secrets"`
	// Warnings are what went wrong beside the verdict, one line each.
	Warnings []string      `json:"warnings"`
	Duration time.Duration `json:"duration_ns"`
}

// newOutcome is an outcome whose lists are lists.
func newOutcome(verdict Verdict, state StateAfter, reason string) Outcome {
	return Outcome{
		Verdict: verdict, State: state, Reason: oneLine(reason), Failures: []Failure{}, Dropped: []string{},
		NotReached: []NotReached{}, Pruned: []string{}, UnusedSecrets: []string{}, Warnings: []string{},
	}
}

// Failure is one service's part in a verdict: the failing task's own words.
type Failure struct {
	Service  string   `json:"service"`
	Task     string   `json:"task"` // ID
	Node     string   `json:"node"`
	Error    string   `json:"error"`     // the task's error, "" when it only never became healthy
	ExitCode int      `json:"exit_code"` // of the container, -1 unknown
	Health   string   `json:"health"`    // output of the last health check
	Logs     []string `json:"logs"`      // last lines
}

// Why is the verdict and its reason in one line, without saying the verdict twice.
func (o Outcome) Why() string {
	if o.Reason == "" || strings.HasPrefix(o.Reason, string(o.Verdict)) {
		return cmp.Or(o.Reason, string(o.Verdict))
	}
	return string(o.Verdict) + ": " + o.Reason
}

// Kind is the exit code that follows from verdict and state.
func (o Outcome) Kind() (kind fault.Kind, ok bool) {
	switch {
	case o.Verdict == Converged && o.State == StateNew:
		return 0, true
	case o.State == StatePrevious:
		return fault.PutBack, false
	}
	return fault.Left, false
}
