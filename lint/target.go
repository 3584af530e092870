package lint

import (
	"context"
	"path"
	"slices"

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
	// Configs find the project's configuration for each target; nil finds none.
	Configs *Configs
	// Tracked leaves out the files of a git work tree that git does not track,
	// but for a file given by its name. The notes name them.
	Tracked bool
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
// What a configuration excludes is left out, unless it was given by name.
//
// Nothing outside a given folder, or a given file's folder, is read, a
// configuration and git's index apart: links that lead out of it are not followed.
func Load(ctx context.Context, paths []string, opts LoadOptions) ([]Target, []string, error) {
	if err := opts.check(); err != nil {
		return nil, nil, err
	}
	var places places
	var notes []string
	for _, name := range paths {
		found, note, err := opts.locate(ctx, name)
		if err != nil {
			return nil, nil, err
		}
		places = append(places, found...)
		notes = append(notes, note...)
	}
	places, excluded, err := distinct(places).wanted(opts.Configs)
	if err != nil {
		return nil, nil, err
	}
	notes = append(notes, excluded...)
	targets, errs := make([]Target, len(places)), make([]error, len(places))
	err = parallel(ctx, len(places), func(i int) {
		targets[i], errs[i] = places[i].load(ctx, opts)
	})
	if err != nil {
		return nil, nil, err
	}
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return nil, nil, errs[i]
	}
	for _, tree := range places.workTrees() {
		notes = append(notes, tree.said()...)
	}
	return withoutOverlays(places, targets), notes, nil
}

func (o LoadOptions) check() error {
	if o.As != "" && o.As != AsRecipe && o.As != AsCompose {
		return fault.New(fault.Usage, "%q is no kind of target; expected %s or %s", o.As, AsRecipe, AsCompose)
	}
	return nil
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
