package catalogue

import (
	"context"
	"io/fs"

	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/recipe/source"
)

// history is what rules may know of a recipe's past: the releases up to the
// version that is judged. Tags that are no releases are refused one by one, and
// later ones must not change the verdict about an older version.
type history struct {
	*loads
	versions []source.Version
}

func (h history) Versions(context.Context) ([]source.Version, error) { return h.versions, nil }

// loads reads a source's recipes at their commits. A version is judged against
// the one before it, so the last few are kept. Like a build of one source it is
// one goroutine's.
type loads struct {
	repo *source.Repository
	last []loaded
}

// maxLoads is how many recipes are kept: the version that is judged, the one
// before it, and what rules look at beside them.
const maxLoads = 4

type loaded struct {
	commit string
	opts   recipe.Options
	recipe *recipe.Recipe
}

func (l *loads) Tree(ctx context.Context, commit string) (fs.FS, error) {
	return l.repo.Tree(ctx, commit)
}

// Recipe is lint.Loader's.
func (l *loads) Recipe(ctx context.Context, commit string, opts recipe.Options) (*recipe.Recipe, error) {
	for _, known := range l.last {
		if known.commit == commit && known.named(opts) {
			return known.recipe, nil
		}
	}
	tree, err := l.Tree(ctx, commit)
	if err != nil {
		return nil, err
	}
	r, err := recipe.Load(tree, opts)
	if err != nil {
		return nil, err
	}
	if len(l.last) == maxLoads {
		l.last = l.last[1:]
	}
	l.last = append(l.last, loaded{commit, opts, r})
	return r, nil
}

// named tells whether other options give the same recipe: those that name the
// base file that was found without being named.
func (l loaded) named(opts recipe.Options) bool {
	if l.opts.Compose == "" && l.recipe.Base != nil && opts.Compose == l.recipe.Base.Text.Path {
		opts.Compose = ""
	}
	return l.opts == opts
}
