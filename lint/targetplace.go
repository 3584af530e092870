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

// place is where a target stands, before it is read.
type place struct {
	fsys  fs.FS // of the folder that the user gave
	root  string
	shown string // root, slash-separated, as the user called it
	at    recipe.Location
	given bool // a file that the user named
	first bool // the first compose file of its folder
	whole bool // a folder that the user named, and not one found below it
	tree  *workTree
	// config is the project's for this place.
	config *Config
}

type places []place

// workTrees lists the work trees of all places, each once.
func (ps places) workTrees() []*workTree {
	var trees []*workTree
	for _, p := range ps {
		if p.tree != nil && !slices.Contains(trees, p.tree) {
			trees = append(trees, p.tree)
		}
	}
	return trees
}

// wanted drops the places that a configuration excludes and the user did not
// name, with a note where none is left.
func (ps places) wanted(configs *Configs) (kept places, notes []string, err error) {
	for i := range ps {
		p := &ps[i]
		if p.config, err = configs.For(p.folder()); err != nil {
			return nil, nil, err
		}
		if p.given || p.whole || !p.config.Excludes(filepath.Join(p.folder(), p.at.Compose)) {
			kept = append(kept, *p)
		}
	}
	if len(kept) == 0 && len(ps) > 0 {
		notes = append(notes, fmt.Sprintf("%s excludes everything that was found", ps[0].config.File))
	}
	return kept, notes, nil
}

// folder is where the target's files stand on disk.
func (p place) folder() string { return filepath.Join(p.root, filepath.FromSlash(p.at.Dir)) }

// path is what the user would call the target.
func (p place) path() string {
	if p.at.Alone || p.given {
		return path.Join(p.shown, p.at.Dir, p.at.Compose)
	}
	return path.Join(p.shown, p.at.Dir)
}

// locate lists the targets at one path of the user's.
func (o LoadOptions) locate(ctx context.Context, name string) (found places, notes []string, err error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, nil, fault.Hint(unreadable(name, err), "expected a folder or a compose file")
	case info.IsDir():
		return o.locateFolder(ctx, name)
	case info.Mode().IsRegular():
		found, err = o.locateFile(ctx, name)
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

func (o LoadOptions) locateFolder(ctx context.Context, name string) (places, []string, error) {
	// The root stays open as long as a recipe reads from it; its finalizer
	// closes it.
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, nil, unreadable(name, err)
	}
	folder := place{fsys: root.FS(), root: name, shown: shown(name), first: true}
	folder.watch(ctx, o.Tracked)
	if _, err := fs.ReadDir(folder.fsys, "."); err != nil {
		return nil, nil, unreadable(name, err)
	}
	locations, complete := recipe.Find(folder.fsys)
	var notes []string
	if !complete {
		notes = append(notes, fmt.Sprintf("%q was not read whole: it is too deep or too large, or a folder in it cannot be read", name))
	}
	if len(locations) == 0 {
		folder.at.Dir, folder.whole = ".", true
		return places{folder}, notes, nil
	}
	found := make(places, len(locations))
	for i, at := range locations {
		found[i] = folder
		found[i].at, found[i].first = at, i == 0 || locations[i-1].Dir != at.Dir
		found[i].whole = at.Dir == "." && !at.Alone
	}
	return found, notes, nil
}

// locateFile follows a link that the user named: its text, and its overlays,
// stand where it leads.
func (o LoadOptions) locateFile(ctx context.Context, name string) (places, error) {
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
	file := place{fsys: root.FS(), root: dir, shown: shown(dir), at: at, given: true, first: true}
	file.watch(ctx, o.Tracked)
	return places{file}, nil
}

// watch replaces the place's file system by a view of it, which hides what git
// does not track when that is asked for.
func (p *place) watch(ctx context.Context, onlyTracked bool) {
	if !onlyTracked {
		p.fsys = &view{fsys: p.fsys, dir: "."}
		return
	}
	given := ""
	if p.given {
		given = p.at.Compose
	}
	p.tree, p.fsys = tracked(ctx, p.root, p.fsys, given)
}

func shown(dir string) string { return filepath.ToSlash(filepath.Clean(dir)) }

// distinct drops what was given or found twice.
func distinct(ps places) places {
	seen := make(map[string]bool, len(ps))
	return slices.DeleteFunc(ps, func(p place) bool {
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
	how := recipe.Options{Compose: p.at.Compose, Alone: alone}
	r, err := recipe.Load(fsys, how)
	if err != nil {
		return Target{}, unreadable(p.path(), err)
	}
	if err := p.check(r); err != nil {
		return Target{}, err
	}
	target = Target{Path: p.path(), Dir: path.Join(p.shown, p.at.Dir), Recipe: r, Load: how, Config: p.config}
	target.root, target.below = p.root, p.at.Dir
	target.Loose = alone || opts.As == AsCompose || opts.As == "" && p.at.Compose != "" && !r.IsRecipe()
	if opts.World != nil {
		target.World = opts.World(ctx, p.folder(), r)
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
		if left := p.tree.hidden(); len(left) > 0 {
			return fault.Hint(err, "git does not track %s; add it to the index first", listed(left))
		}
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
