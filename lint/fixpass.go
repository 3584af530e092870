package lint

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"slices"
)

// wanted tells whether a finding's fix may be tried.
func (x *fixer) wanted(f *Finding) bool {
	return f.Fix != nil && len(f.Fix.Edits) > 0 && (f.Fix.Safe || x.options.Unsafe) && !x.refused[keyOfFix(f)]
}

func (x *fixer) abandon(f *Finding, format string, args ...any) {
	if !x.refused[keyOfFix(f)] {
		x.refused[keyOfFix(f)] = true
		x.given = append(x.given, Abandoned{*f, fmt.Sprintf(format, args...)})
	}
}

// pass applies what can be applied at once, and tells which targets have files
// that changed.
func (x *fixer) pass(result *Result) (touched []int, err error) {
	books := x.books()
	x.countFixable(result)
	var accepted []plannedFix
	taken := map[string]editSet{}
	for i := range result.Findings {
		f := &result.Findings[i]
		if !x.wanted(f) {
			continue
		}
		planned, err := x.planned(f, books)
		if err != nil {
			x.abandon(f, "%v", err)
			continue
		}
		if planned.fits(taken) {
			accepted = append(accepted, planned)
			planned.take(taken)
		}
	}
	changed := x.settle(accepted, books)
	for i := range x.targets {
		if slices.ContainsFunc(changed, func(file string) bool { return holds(&x.targets[i], file) }) {
			touched = append(touched, i)
		}
	}
	return touched, nil
}

// countFixable keeps a fix that does not cure its finding from being applied
// again and again: of a rule and a file there are no more tries than findings.
func (x *fixer) countFixable(result *Result) {
	now := map[[2]string]int{}
	for i := range result.Findings {
		if f := &result.Findings[i]; x.wanted(f) {
			now[[2]string{f.Rule, f.File}]++
		}
	}
	for key, n := range now {
		x.most[key] = max(x.most[key], n)
	}
	for i := range result.Findings {
		f := &result.Findings[i]
		if key := [2]string{f.Rule, f.File}; x.wanted(f) && x.tries[key] >= x.most[key] {
			x.abandon(f, "the fix of %s does not cure it in %q", f.Rule, f.File)
		}
	}
}

// settle makes the accepted fixes' changes, without those that leave a file
// unreadable, and gives the files that changed.
func (x *fixer) settle(accepted []plannedFix, books map[string]*book) []string {
	for {
		edits := map[string]editSet{}
		for _, p := range accepted {
			p.take(edits)
		}
		made := map[string][]byte{}
		broken := ""
		for _, file := range slices.Sorted(maps.Keys(edits)) {
			made[file] = applyEdits(books[file].raw, edits[file])
			if books[file].breaks(made[file]) {
				broken = file
				break
			}
		}
		if broken == "" {
			return x.commit(accepted, made, books)
		}
		x.banned[broken] = fmt.Sprintf("%q could not be read any more", broken)
		accepted = slices.DeleteFunc(accepted, func(p plannedFix) bool {
			if _, touches := p.edits[broken]; touches {
				x.abandon(p.finding, "%s", x.banned[broken])
				return true
			}
			return false
		})
	}
}

func (x *fixer) commit(accepted []plannedFix, made map[string][]byte, books map[string]*book) (changed []string) {
	for _, p := range accepted {
		x.fixed = append(x.fixed, *p.finding)
		x.tries[[2]string{p.finding.Rule, p.finding.File}]++
	}
	for _, file := range slices.Sorted(maps.Keys(made)) {
		b := books[file]
		if bytes.Equal(made[file], b.raw) {
			continue
		}
		changed = append(changed, file)
		if x.files[file] == nil {
			t := &x.targets[b.target]
			name := path.Join(t.below, b.name)
			x.files[file] = &fixedFile{FileChange{Path: file, Before: b.raw, root: t.root, name: name}, b.target}
		}
		x.files[file].After = made[file]
	}
	return changed
}
