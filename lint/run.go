package lint

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/galley-coop/galley/recipe"
)

// Options say which rules run, and what becomes of their findings. The zero
// Options run every rule that is not Off. Rules are named by ID, by name or by
// family (the beginning of IDs: "S2", "S"). What is said here wins over what the
// targets' configurations say.
type Options struct {
	// Only names the rules that run, Off ones too; empty means all that are not
	// Off.
	Only []string
	// Except names rules that do not run.
	Except []string
	// Enable names rules that run though they are Off.
	Enable []string
	// Levels are severities in place of the rules' own.
	Levels map[string]Severity
	// Settings are for every rule.
	Settings Settings
	// Ignores lets comments in the targets' files hide findings. Without it they
	// are what they are: comments. A gate must not let those whom it judges
	// decide what counts.
	Ignores bool
	// FailOn is the failing level: a severity's name or FailNever; "" takes that of
	// each target's configuration, or error.
	FailOn string
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
	plans, err := plansFor(targets, rules, opts)
	if err != nil {
		return nil, err
	}
	looks := make([]look, len(targets))
	err = parallel(ctx, len(targets), func(i int) {
		looks[i] = look{target: &targets[i], plan: plans[targets[i].Config], opts: &opts}
		looks[i].run(ctx)
	})
	if err != nil {
		return nil, err
	}
	return gather(looks, plans), bugs(looks)
}

// parallel calls work for 0 to n-1 on all processors. It starts nothing more
// once ctx has ended, and returns the cause. One goroutine takes one place after
// the other: a new one for each would grow its stack each time.
func parallel(ctx context.Context, n int, work func(i int)) error {
	var group sync.WaitGroup
	var next atomic.Int64
	for range min(n, runtime.GOMAXPROCS(0)) {
		group.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				work(i)
			}
		})
	}
	group.Wait()
	return context.Cause(ctx)
}

// look is all rules' look at one target.
type look struct {
	target     *Target
	plan       *plan
	opts       *Options
	findings   []Finding
	suppressed []Suppressed
	skips      []Skip
	bugs       []*RuleError
	files      []string // as shown
	unused     []Finding
	inUse      map[commentPlace]bool
}

func (l *look) run(ctx context.Context) {
	pass := l.pass(ctx)
	for i := range l.plan.rules {
		if ctx.Err() != nil {
			return
		}
		if l.applies(&l.plan.rules[i]) {
			l.check(pass, &l.plan.rules[i])
		}
	}
	l.settle()
}

// pass is what the rules get, one after the other: two hundred of them for each
// of thousands of files would else be a fifth of the memory that a run takes.
func (l *look) pass(ctx context.Context) *Pass {
	p := &Pass{
		Context: ctx, Recipe: l.target.Recipe, World: l.target.World,
		Settings: l.opts.Settings.over(l.target.Config),
		shared:   &shared{recipe: l.target.Recipe},
		report:   func(f Finding) { l.findings = append(l.findings, f) },
	}
	p.skip = func(reason string) {
		l.skips = append(l.skips, Skip{Rule: p.rule.ID, Name: p.rule.Name, Target: l.target.Path, Reason: reason})
	}
	return p
}

// applies keeps the recipe conventions away from loose compose files.
func (l *look) applies(rule *Rule) bool { return !rule.RecipeOnly || !l.target.Loose }

// settle guards against rules that report places of no sense: they must not
// stop the run either.
func (l *look) settle() {
	reported := l.findings
	l.findings = nil
	defer l.recover(&Rule{})
	texts := newTexts(l.target.Recipe)
	l.files = texts.shown(l.target.Dir)
	l.sift(texts, texts.settle(reported, l.target.Dir))
}

// recover, deferred, turns a panic into a RuleError.
func (l *look) recover(rule *Rule) {
	if cause := recover(); cause != nil {
		l.bugs = append(l.bugs, &RuleError{rule.ID, rule.Name, l.target.Path, cause, debug.Stack()})
	}
}

func (l *look) check(pass *Pass, rule *Rule) {
	defer l.recover(rule)
	pass.rule = rule
	rule.Check(pass)
}

func gather(looks []look, plans map[*Config]*plan) *Result {
	result := &Result{Findings: []Finding{}, Skipped: []Skip{}, files: map[string]bool{}}
	for _, l := range looks {
		result.Findings = append(result.Findings, l.findings...)
		result.Suppressed = append(result.Suppressed, l.suppressed...)
		result.Skipped = append(result.Skipped, l.skips...)
		for _, name := range l.files {
			result.files[name] = true
		}
	}
	result.Findings = sorted(append(result.Findings, unusedIgnores(looks)...))
	slices.SortStableFunc(result.Suppressed, func(a, b Suppressed) int { return compareFindings(a.Finding, b.Finding) })
	result.Suppressed = slices.CompactFunc(result.Suppressed, func(a, b Suppressed) bool { return compareFindings(a.Finding, b.Finding) == 0 })
	slices.SortStableFunc(result.Skipped, compareSkips)
	result.Skipped = slices.Compact(result.Skipped)
	result.Summary = summarise(result.Findings)
	result.Summary.Targets, result.Summary.Files = len(looks), len(result.files)
	result.Summary.Suppressed = len(result.Suppressed)
	result.nameRules(plans)
	return result
}

// nameRules notes which rules ran. The set of several configurations is that of
// all their rules.
func (r *Result) nameRules(plans map[*Config]*plan) {
	var all []Rule
	r.ran = map[string]bool{}
	for _, p := range plans {
		all = append(all, p.rules...)
		for _, rule := range p.rules {
			r.ran[rule.ID] = true
		}
	}
	for _, skip := range r.Skipped {
		delete(r.ran, skip.Rule)
	}
	r.RuleSet = RuleSet(all)
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
