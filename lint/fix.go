package lint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/galley-coop/galley/recipe"
)

// maxPasses bounds how often fixes are applied: what one fix makes may be what
// another one cures.
const maxPasses = 10

// FixOptions say what ApplyFixes may change.
type FixOptions struct {
	// Unsafe allows fixes that can change what a recipe does.
	Unsafe bool
	// Narrow takes out of a pass's result what is not to be fixed, such as the
	// findings of a baseline; nil takes nothing out.
	Narrow func(*Result)
}

// FixReport is what ApplyFixes did. Nothing is written before Write.
type FixReport struct {
	// Changes are the files that change, by path.
	Changes []FileChange
	// Fixed are the findings whose fixes were applied, in the order of the passes.
	Fixed []Finding
	// Abandoned are those whose fixes were not, and why.
	Abandoned []Abandoned
	// Result is of the last pass: what is left, narrowed.
	Result *Result
}

// FileChange is one file before and after. Path is as in findings.
type FileChange struct {
	Path          string
	Before, After []byte

	root, name string // on disk: the folder that nothing leads out of, and the path in it
}

// Diff is the change in the form that patch reads.
func (c FileChange) Diff() string { return UnifiedDiff(c.Path, c.Before, c.After) }

// Abandoned is a finding whose fix was given up.
type Abandoned struct {
	Finding Finding
	Reason  string // one line
}

// ApplyFixes applies the fixes of findings to the targets' files in memory, again and
// again until none is left. result is what Run gave for the same arguments.
//
// A fix is applied whole or not at all. Of fixes that overlap the first one by
// position wins, and the others are tried again in the next pass. What comments
// hide is in no result's findings, and is not touched. A file that was readable
// and would not be any more keeps what it had before the pass, and gets no
// further fix. Line ends and a byte order mark stay what they are.
func ApplyFixes(ctx context.Context, targets []Target, rules []Rule, opts Options, result *Result, fix FixOptions) (*FixReport, error) {
	x := newFixer(targets, fix)
	for range maxPasses {
		touched, err := x.pass(result)
		if err != nil {
			return nil, err
		}
		if len(touched) == 0 {
			break
		}
		if err := x.reload(touched); err != nil {
			return nil, err
		}
		if result, err = x.look(ctx, rules, opts, touched); err != nil {
			return nil, err
		}
	}
	x.giveUp(result)
	if len(x.files) > 0 {
		last, err := Run(ctx, x.targets, rules, opts)
		if err != nil {
			return nil, err
		}
		result = x.narrowed(last)
	}
	return x.report(result), nil
}

// fixer holds the files as they are so far.
type fixer struct {
	options FixOptions
	targets []Target
	bases   []fs.FS               // what the targets' recipes were read from at first
	files   map[string]*fixedFile // that changed, by path as shown
	banned  map[string]string     // files that get no further fix, and why
	refused map[fixKey]bool       // findings that were given up
	tries   map[[2]string]int     // applied fixes by rule and file
	most    map[[2]string]int     // findings with fixes by rule and file, in the pass with most
	fixed   []Finding
	given   []Abandoned
}

type fixedFile struct {
	FileChange
	target int
}

type fixKey struct{ rule, file, fingerprint string }

func keyOfFix(f *Finding) fixKey { return fixKey{f.Rule, f.File, f.Fingerprint} }

func newFixer(targets []Target, options FixOptions) *fixer {
	x := &fixer{
		options: options, targets: slices.Clone(targets), files: map[string]*fixedFile{},
		banned: map[string]string{}, refused: map[fixKey]bool{}, tries: map[[2]string]int{}, most: map[[2]string]int{},
	}
	for _, t := range targets {
		x.bases = append(x.bases, t.Recipe.FS())
	}
	return x
}

func (x *fixer) narrowed(r *Result) *Result {
	if x.options.Narrow != nil {
		x.options.Narrow(r)
	}
	return r
}

// look runs the rules over the targets that were touched.
func (x *fixer) look(ctx context.Context, rules []Rule, opts Options, touched []int) (*Result, error) {
	again := make([]Target, len(touched))
	for i, t := range touched {
		again[i] = x.targets[t]
	}
	result, err := Run(ctx, again, rules, opts)
	if err != nil {
		return nil, err
	}
	return x.narrowed(result), nil
}

// reload reads the touched targets' recipes again, over the changed files.
func (x *fixer) reload(touched []int) error {
	for _, i := range touched {
		t := &x.targets[i]
		files := map[string][]byte{}
		for file, f := range x.files {
			if name, ok := inTarget(t, file); ok {
				files[name] = f.After
			}
		}
		r, err := recipe.Load(View(x.bases[i], files), t.Load)
		if err != nil {
			return fmt.Errorf("reading %q again: %w", t.Path, err)
		}
		t.Recipe = r
	}
	return nil
}

// giveUp lists what is left with a fix after the last pass.
func (x *fixer) giveUp(result *Result) {
	for i := range result.Findings {
		if f := &result.Findings[i]; x.wanted(f) {
			x.abandon(f, "it is still there after the last pass: its fix changes nothing, or another one undoes it")
		}
	}
}

func (x *fixer) report(result *Result) *FixReport {
	r := &FixReport{Fixed: x.fixed, Abandoned: x.given, Result: result}
	for _, file := range slices.Sorted(maps.Keys(x.files)) {
		if f := x.files[file]; !bytes.Equal(f.Before, f.After) {
			r.Changes = append(r.Changes, f.FileChange)
		}
	}
	return r
}

// inTarget is a shown file's path in a target's folder, false for one outside.
func inTarget(t *Target, file string) (string, bool) {
	if t.Dir == "" || t.Dir == "." {
		return file, !path.IsAbs(file) && !strings.HasPrefix(file, "../")
	}
	return strings.CutPrefix(file, strings.TrimSuffix(t.Dir, "/")+"/")
}

func holds(t *Target, file string) bool {
	_, ok := inTarget(t, file)
	return ok
}

var errOutside = errors.New("it would change a file outside the target")
