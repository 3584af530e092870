package soak

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	soakDeploys = flag.Int("soak", 20, "how many deploys TestSoak makes")
	soakSeed    = flag.Uint64("seed", 1, "what TestSoak's faults are drawn from; 0 draws a seed")
)

// TestSoak makes deploys with a random fault in each, several stacks side by side,
// and compares what galley says of each with what the engine has.
func TestSoak(t *testing.T) {
	t.Parallel()
	s := useStage(t)
	seed := *soakSeed
	if seed == 0 {
		seed = newSeed()
	}
	t.Logf("%d deploys, seed %d", *soakDeploys, seed)
	known := &references{specs: map[string]map[string]string{}}
	var learned sync.WaitGroup
	score := &score{codes: map[fault]map[string]int{}}
	learned.Add(recipes)
	for n, steps := range schedule(seed, max(*soakDeploys, recipes)) {
		t.Run(recipeName(n), func(t *testing.T) {
			t.Parallel()
			learn := sync.OnceFunc(learned.Done)
			defer learn()
			a := newApp(t, s, recipeName(n), recipeName(n), known)
			for i, step := range steps {
				a.soak(t, seed, step, score)
				if i == 0 { // all know the good versions before faults begin
					learn()
					learned.Wait()
				}
			}
		})
	}
	t.Cleanup(func() { t.Log(score) })
}

// soak makes one step, and brings the stack back where that left it to the next.
func (a *app) soak(t *testing.T, seed uint64, s step, score *score) {
	r, wrong := a.run(t.Context(), s)
	score.add(r, wrong)
	a.tell(t, seed, r, wrong)
	for try := 0; try < 2 && r.needsRecovery(); try++ {
		r, wrong = a.recover(t.Context(), s)
		if len(wrong) > 0 {
			wrong = append(wrong, "this is the deploy after one that did not put the stack back")
		}
		score.add(r, wrong)
		a.tell(t, seed, r, wrong)
	}
}

func (a *app) tell(t *testing.T, seed uint64, r *ran, wrong []string) {
	s := r.step
	line := time.Now().Format(time.TimeOnly) + fmt.Sprintf(" step %d of %s: %s, to %s, write %d + %s", s.number, a.stack, s.fault, s.target.name, s.write, s.delay)
	if r.note != "" {
		line += " (" + r.note + ")"
	}
	for _, e := range r.exits {
		line += fmt.Sprintf(": exit code %d %s %s", e.code, e.outcome.Verdict, or(e.outcome.Reason, e.outcome.Error.Message))
	}
	t.Log(line)
	if len(wrong) == 0 {
		return
	}
	var said strings.Builder
	for _, e := range r.exits {
		said.WriteString(e.String() + "\n")
	}
	t.Errorf("seed %d, %s\nFALSE:\n  %s\nWHAT GALLEY SAID:\n%sBEFORE: %s\nAFTER: %s", seed, line, strings.Join(wrong, "\n  "), said.String(), a.base, r.after)
}

// score counts how steps ended.
type score struct {
	mu     sync.Mutex
	codes  map[fault]map[string]int
	judged int
	wrong  int
}

func (s *score) add(r *ran, wrong []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.judged++
	if len(wrong) > 0 {
		s.wrong++
	}
	if s.codes[r.step.fault] == nil {
		s.codes[r.step.fault] = map[string]int{}
	}
	for _, e := range r.exits {
		s.codes[r.step.fault][fmt.Sprint(e.code)]++
	}
	if needsMoment(r.step.fault) && r.acted.IsZero() {
		s.codes[r.step.fault]["no moment for it"]++
	}
}

func needsMoment(f fault) bool {
	return !slices.Contains([]fault{none, noChange, undeploy, badVersion, closedOutput, readOnly}, f)
}

func (s *score) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := fmt.Sprintf("%d deploys judged, %d verdicts true, %d false; exit codes by fault:\n", s.judged, s.judged-s.wrong, s.wrong)
	for _, f := range slices.Sorted(maps.Keys(s.codes)) {
		text += fmt.Sprintf("  %-40s", f)
		for _, code := range slices.Sorted(maps.Keys(s.codes[f])) {
			text += fmt.Sprintf(" %s×%d", code, s.codes[f][code])
		}
		text += "\n"
	}
	return text
}
