package lint

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/galley-coop/galley/recipe"
)

// Options say which rules run. The zero Options run every rule that is not Off.
type Options struct {
	// Only names the rules that run, by ID or name, Off ones too; empty means
	// all that are not Off.
	Only []string
	// Except names rules that do not run.
	Except []string
}

// RuleError is a rule, or the reading of a target, that panicked: a bug in
// galley, never the recipe's fault.
type RuleError struct {
	Rule, Name string // empty when the target was being read
	Target     string
	Cause      any    // what the panic was given
	Stack      []byte // of the goroutine, for the report of the bug
}

// Error names the rule, the target and the cause in one line, without the stack.
func (e *RuleError) Error() string {
	if e.Rule == "" {
		return fmt.Sprintf("reading %q: panic: %v", e.Target, e.Cause)
	}
	return fmt.Sprintf("rule %s (%s) on %q: panic: %v", e.Rule, e.Name, e.Target, e.Cause)
}

// Run lints targets with rules, targets side by side. The answer does not
// depend on how many processors there are or which one is faster.
//
// A rule that panics is an error that wraps a *RuleError, one for each such rule;
// the Result is there nonetheless, with what everything else found. A name in
// opts that no rule has is an error of kind fault.Usage. When ctx ends, the
// error is its cause, and there is no Result.
func Run(ctx context.Context, targets []Target, rules []Rule, opts Options) (*Result, error) {
	chosen, err := choose(rules, opts)
	if err != nil {
		return nil, err
	}
	looks := make([]look, len(targets))
	err = parallel(ctx, len(targets), func(i int) {
		looks[i].target = &targets[i]
		looks[i].run(ctx, chosen)
	})
	if err != nil {
		return nil, err
	}
	return gather(looks, chosen), bugs(looks)
}

// parallel calls work for 0 to n-1 on all processors. It starts nothing more
// once ctx has ended, and returns the cause.
func parallel(ctx context.Context, n int, work func(i int)) error {
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := 0; i < n && ctx.Err() == nil; i++ {
		group.Go(func() error {
			work(i)
			return nil
		})
	}
	_ = group.Wait() // work returns nothing
	return context.Cause(ctx)
}

// look is all rules' look at one target.
type look struct {
	target   *Target
	findings []Finding
	skips    []Skip
	bugs     []*RuleError
	files    []string // as shown
}

func (l *look) run(ctx context.Context, rules []Rule) {
	models := &merged{recipe: l.target.Recipe}
	for i := range rules {
		if ctx.Err() != nil {
			return
		}
		if rules[i].RecipeOnly && l.target.Loose {
			continue
		}
		l.check(ctx, &rules[i], models)
	}
	l.settle()
}

// settle guards against rules that report places of no sense: they must not
// stop the run either.
func (l *look) settle() {
	reported := l.findings
	l.findings = nil
	defer l.recover(&Rule{})
	texts := newTexts(l.target.Recipe)
	l.files = texts.shown(l.target.Dir)
	l.findings = texts.settle(reported, l.target.Dir)
}

// recover, deferred, turns a panic into a RuleError.
func (l *look) recover(rule *Rule) {
	if cause := recover(); cause != nil {
		l.bugs = append(l.bugs, &RuleError{rule.ID, rule.Name, l.target.Path, cause, debug.Stack()})
	}
}

func (l *look) check(ctx context.Context, rule *Rule, models *merged) {
	defer l.recover(rule)
	rule.Check(&Pass{
		Context: ctx, Recipe: l.target.Recipe, World: l.target.World,
		rule: rule, merged: models,
		report: func(f Finding) { l.findings = append(l.findings, f) },
		skip: func(reason string) {
			l.skips = append(l.skips, Skip{Rule: rule.ID, Name: rule.Name, Target: l.target.Path, Reason: reason})
		},
	})
}

func gather(looks []look, rules []Rule) *Result {
	result := &Result{Findings: []Finding{}, Skipped: []Skip{}, RuleSet: RuleSet(rules)}
	files := map[string]bool{}
	for _, l := range looks {
		result.Findings = append(result.Findings, l.findings...)
		result.Skipped = append(result.Skipped, l.skips...)
		for _, name := range l.files {
			files[name] = true
		}
	}
	result.Findings = sorted(result.Findings)
	slices.SortStableFunc(result.Skipped, compareSkips)
	result.Skipped = slices.Compact(result.Skipped)
	result.Summary = summarise(result.Findings)
	result.Summary.Targets, result.Summary.Files = len(looks), len(files)
	return result
}

// sorted puts findings in the order of the reports and drops those that say the
// same of the same place: overlapping targets and overlays make them.
func sorted(findings []Finding) []Finding {
	slices.SortStableFunc(findings, compareFindings)
	return slices.CompactFunc(findings, func(a, b Finding) bool { return compareFindings(a, b) == 0 })
}

// bugs joins the panics, the first of each rule.
func bugs(looks []look) error {
	var found []error
	seen := map[string]bool{}
	for _, l := range looks {
		for _, bug := range l.bugs {
			if !seen[bug.Rule] {
				seen[bug.Rule] = true
				found = append(found, bug)
			}
		}
	}
	return errors.Join(found...)
}

// filesOf lists the texts that a recipe was read from.
func filesOf(r *recipe.Recipe) []*recipe.Text {
	var texts []*recipe.Text
	for _, d := range r.Documents() {
		texts = append(texts, d.Text)
	}
	if r.Sample != nil {
		texts = append(texts, r.Sample.Text)
	}
	if r.Script != nil {
		texts = append(texts, r.Script.Text)
	}
	if r.Readme != nil {
		texts = append(texts, r.Readme.Text)
	}
	for _, n := range r.Notes {
		texts = append(texts, n.Text)
	}
	return texts
}
