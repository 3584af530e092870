package lint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

// AsRecipe and AsCompose are what LoadOptions.As may be, beside "".
const (
	AsRecipe  = "recipe"
	AsCompose = "compose"
)

// LoadOptions tell Load what the files themselves do not.
type LoadOptions struct {
	// As decides by hand what the targets are: AsRecipe, AsCompose, or "" to go
	// by each target's marks.
	As string
	// World gives what a target's rules may ask beyond its files; dir is its
	// folder on disk. It is called by several goroutines. Nil means nothing.
	World func(ctx context.Context, dir string, r *recipe.Recipe) World
}

// Load finds and reads what is to be linted under paths, in the order of the
// paths and of the names below them. The notes say, one line each, where a walk
// was cut short.
//
// A folder gives a target for each compose file below it. Without any it is
// itself a target when it has a recipe's marks, so that what is missing can be
// said; else it is an error. A file is a target of its own, with its overlays.
//
// A compose file that stands alone, given by its name or found beside another,
// is loose whatever its labels say: the files that a recipe's conventions speak
// of are not looked at. AsRecipe turns a given file, and a folder's first
// compose file, into a whole recipe.
//
// Nothing outside a given folder, or a given file's folder, is read: links that
// lead out of it are not followed.
func Load(ctx context.Context, paths []string, opts LoadOptions) ([]Target, []string, error) {
	if opts.As != "" && opts.As != AsRecipe && opts.As != AsCompose {
		return nil, nil, fault.New(fault.Usage, "%q is no kind of target; expected %s or %s", opts.As, AsRecipe, AsCompose)
	}
	var places []place
	var notes []string
	for _, name := range paths {
		found, note, err := locate(name)
		if err != nil {
			return nil, nil, err
		}
		places = append(places, found...)
		notes = append(notes, note...)
	}
	places = distinct(places)
	targets, errs := make([]Target, len(places)), make([]error, len(places))
	err := parallel(ctx, len(places), func(i int) {
		targets[i], errs[i] = places[i].load(ctx, opts)
	})
	if err != nil {
		return nil, nil, err
	}
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return nil, nil, errs[i]
	}
	return withoutOverlays(places, targets), notes, nil
}

// place is where a target stands, before it is read.
type place struct {
	fsys  fs.FS // of the folder that the user gave
	root  string
	shown string // root, slash-separated, as the user called it
	at    recipe.Location
	given bool // a file that the user named
	first bool // the first compose file of its folder
}

// path is what the user would call the target.
func (p place) path() string {
	if p.at.Alone || p.given {
		return path.Join(p.shown, p.at.Dir, p.at.Compose)
	}
	return path.Join(p.shown, p.at.Dir)
}

// locate lists the targets at one path of the user's.
func locate(name string) (found []place, notes []string, err error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, nil, fault.Hint(unreadable(name, err), "expected a folder or a compose file")
	case info.IsDir():
		return locateFolder(name)
	case info.Mode().IsRegular():
		found, err = locateFile(name)
		return found, nil, err
	}
	return nil, nil, fmt.Errorf("%q is neither a folder nor a regular file", name)
}

func unreadable(name string, err error) error {
	var of *fs.PathError
	if errors.As(err, &of) {
		err = of.Err
	}
	return fmt.Errorf("reading %q: %w", name, err)
}

func locateFolder(name string) ([]place, []string, error) {
	// The root stays open as long as a recipe reads from it; its finalizer
	// closes it.
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, nil, unreadable(name, err)
	}
	folder := place{fsys: root.FS(), root: name, shown: shown(name), first: true}
	if _, err := fs.ReadDir(folder.fsys, "."); err != nil {
		return nil, nil, unreadable(name, err)
	}
	locations, complete := recipe.Find(folder.fsys)
	var notes []string
	if !complete {
		notes = append(notes, fmt.Sprintf("%q was not read whole: it is too deep or too large, or a folder in it cannot be read", name))
	}
	if len(locations) == 0 {
		folder.at.Dir = "."
		return []place{folder}, notes, nil
	}
	found := make([]place, len(locations))
	for i, at := range locations {
		found[i] = folder
		found[i].at, found[i].first = at, i == 0 || locations[i-1].Dir != at.Dir
	}
	return found, notes, nil
}

// locateFile follows a link that the user named: its text, and its overlays,
// stand where it leads.
func locateFile(name string) ([]place, error) {
	name, err := filepath.EvalSymlinks(name)
	if err != nil {
		return nil, unreadable(name, err)
	}
	dir, base := filepath.Split(name)
	if dir == "" {
		dir = "."
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, unreadable(name, err)
	}
	at := recipe.Location{Dir: ".", Compose: base, Alone: true}
	return []place{{fsys: root.FS(), root: dir, shown: shown(dir), at: at, given: true, first: true}}, nil
}

func shown(dir string) string { return filepath.ToSlash(filepath.Clean(dir)) }

// distinct drops what was given or found twice.
func distinct(places []place) []place {
	seen := make(map[string]bool, len(places))
	return slices.DeleteFunc(places, func(p place) bool {
		again := seen[p.path()]
		seen[p.path()] = true
		return again
	})
}

func (p place) load(ctx context.Context, opts LoadOptions) (target Target, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = &RuleError{Target: p.path(), Cause: cause, Stack: debug.Stack()}
		}
	}()
	fsys, err := fs.Sub(p.fsys, p.at.Dir)
	if err != nil {
		return Target{}, unreadable(p.path(), err)
	}
	alone := p.at.Alone && !(opts.As == AsRecipe && p.first)
	r, err := recipe.Load(fsys, recipe.Options{Compose: p.at.Compose, Alone: alone})
	if err != nil {
		return Target{}, unreadable(p.path(), err)
	}
	if err := p.check(r); err != nil {
		return Target{}, err
	}
	target = Target{Path: p.path(), Dir: path.Join(p.shown, p.at.Dir), Recipe: r}
	target.Loose = alone || opts.As == AsCompose || opts.As == "" && p.at.Compose != "" && !r.IsRecipe()
	if opts.World != nil {
		target.World = opts.World(ctx, filepath.Join(p.root, filepath.FromSlash(p.at.Dir)), r)
	}
	return target, nil
}

// check refuses a given file that cannot be read, and a folder that holds
// nothing to lint: silence would look like a clean answer.
func (p place) check(r *recipe.Recipe) error {
	if p.given && r.Base == nil {
		reason := "not there any more"
		if len(r.Problems) > 0 {
			reason = strings.TrimPrefix(r.Problems[0].Message, "cannot be read: ")
		}
		return fmt.Errorf("reading %q: %s", p.path(), reason)
	}
	if p.at.Compose == "" && !hasMarks(r) {
		err := fmt.Errorf("no compose file under %q", p.root)
		return fault.Hint(err, "expected one of %s, or another YAML file with services", strings.Join(recipe.ComposeNames, ", "))
	}
	return nil
}

// hasMarks tells whether a folder without a compose file was meant to be a
// recipe: it has another part of one, readable or not, or is a repository.
func hasMarks(r *recipe.Recipe) bool {
	for _, name := range []string{recipe.SampleName, recipe.ScriptName, ".git"} {
		if _, err := fs.Lstat(r.FS(), name); err == nil {
			return true
		}
	}
	return r.IsRecipe()
}

// withoutOverlays drops the compose files that a walk found standing alone and
// that turned out to be overlays of a target above them.
func withoutOverlays(places []place, targets []Target) []Target {
	overlays := map[string]bool{}
	for _, t := range targets {
		for _, d := range t.Recipe.Overlays {
			overlays[path.Join(t.Dir, d.Text.Path)] = true
		}
	}
	kept := targets[:0]
	for i, t := range targets {
		if places[i].given || !places[i].at.Alone || !overlays[t.Path] {
			kept = append(kept, t)
		}
	}
	return kept
}
