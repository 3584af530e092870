package rules

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

// TestFixesCure applies every fix that a page's bad example is offered.
func TestFixesCure(t *testing.T) {
	base := baseRecipe(t)
	fixable := map[string]bool{}
	for _, rule := range All() {
		page, _ := Page(rule.ID)
		bad := parseExample(t, sections(page)["Bad"])
		t.Run(rule.ID, func(t *testing.T) {
			opts := lint.Options{Enable: []string{rule.ID}, Settings: bad.facts.settings, Ignores: true}
			for _, id := range checkFixes(t, bad.over(t, base), bad.world(t, base), opts) {
				fixable[id] = true
			}
		})
	}
	t.Logf("%d fixable rules: %s", len(fixable), strings.Join(slices.Sorted(maps.Keys(fixable)), " "))
}

// checkFixes lints files, and for every finding with a fix, safe or not, wants the
// fix alone to take the finding away and to bring no other; then all fixes
// together to leave none. It gives the IDs of the rules whose fixes it saw.
func checkFixes(t *testing.T, files fstest.MapFS, world lint.World, opts lint.Options) []string {
	t.Helper()
	before := lintFiles(t, files, world, opts)
	var seen []string
	for _, f := range before.Findings {
		if f.Fix == nil {
			continue
		}
		seen = append(seen, f.Rule)
		if len(f.Fix.Edits) == 0 || strings.TrimSpace(f.Fix.Message) == "" || strings.ContainsAny(f.Fix.Message, "\n") {
			t.Errorf("the fix of %s has %d edits and the message %q; expected some of both", f.Rule, len(f.Fix.Edits), f.Fix.Message)
		}
		after, report := applied(t, files, world, opts, func(r *lint.Result) {
			r.Findings = slices.DeleteFunc(r.Findings, func(other lint.Finding) bool { return other.Fingerprint != f.Fingerprint || other.File != f.File })
		})
		for _, a := range report.Abandoned {
			t.Errorf("the fix of %s was abandoned: %s", a.Finding.Rule, a.Reason)
		}
		left := lintFiles(t, after, world, opts).Findings
		if fresh := newFindings(before.Findings, left, f); len(fresh) > 0 {
			t.Errorf("the fix of %s (%s: %s) brings or leaves\n\t%s\nin\n%s", f.Rule, f.Message, f.Fix.Message, strings.Join(lines(fresh), "\n\t"), diffs(report))
		}
	}
	if len(seen) > 1 {
		_, report := applied(t, files, world, opts, nil)
		for _, f := range report.Result.Findings {
			if f.Fix != nil {
				t.Errorf("all fixes together leave %s %s in\n%s", f.Rule, lines([]lint.Finding{f})[0], diffs(report))
			}
		}
	}
	return seen
}

func lintFiles(t *testing.T, files fstest.MapFS, world lint.World, opts lint.Options) *lint.Result {
	t.Helper()
	result, err := lint.Run(context.Background(), targetOf(t, files, world), All(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func targetOf(t *testing.T, files fstest.MapFS, world lint.World) []lint.Target {
	t.Helper()
	r, err := recipe.Load(files, recipe.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return []lint.Target{{Path: "pages", Recipe: r, World: world}}
}

// applied are files after the fixes of the findings that narrow leaves.
func applied(t *testing.T, files fstest.MapFS, world lint.World, opts lint.Options, narrow func(*lint.Result)) (fstest.MapFS, *lint.FixReport) {
	t.Helper()
	targets := targetOf(t, files, world)
	result, err := lint.Run(context.Background(), targets, All(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if narrow != nil {
		narrow(result)
	}
	report, err := lint.ApplyFixes(context.Background(), targets, All(), opts, result, lint.FixOptions{Unsafe: true, Narrow: narrow})
	if err != nil {
		t.Fatal(err)
	}
	after := maps.Clone(files)
	for _, c := range report.Changes {
		after[c.Path] = &fstest.MapFile{Data: c.After}
	}
	return after, report
}

// newFindings are those that were not there before, what was cured among them if
// it is still there. They are known by what they say, not by where.
func newFindings(before, after []lint.Finding, cured lint.Finding) []lint.Finding {
	said := func(f lint.Finding) string { return f.Rule + " " + f.File + " " + f.Message }
	count := map[string]int{}
	for _, f := range before {
		count[said(f)]++
	}
	count[said(cured)]--
	var fresh []lint.Finding
	for _, f := range after {
		if count[said(f)]--; count[said(f)] < 0 {
			fresh = append(fresh, f)
		}
	}
	return fresh
}

func diffs(r *lint.FixReport) string {
	var all strings.Builder
	for _, c := range r.Changes {
		all.WriteString(c.Diff())
	}
	return all.String()
}
