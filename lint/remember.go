package lint

import (
	"context"
	"io/fs"
	"sync"

	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/recipe/source"
)

// Remember asks a history each thing once: a dozen rules want the same versions
// and the files of the same commit.
func Remember(h History) Loader {
	return &remembered{of: h, trees: map[string]func() (fs.FS, error){}, recipes: map[loading]func() (*recipe.Recipe, error){}}
}

type remembered struct {
	of       History
	once     sync.Once
	versions []source.Version
	err      error

	mu    sync.Mutex
	trees map[string]func() (fs.FS, error)

	recipes map[loading]func() (*recipe.Recipe, error)
}

// loading is what a recipe is loaded by.
type loading struct {
	commit string
	opts   recipe.Options
}

// Versions is History's.
func (r *remembered) Versions(ctx context.Context) ([]source.Version, error) {
	r.once.Do(func() { r.versions, r.err = r.of.Versions(ctx) })
	return r.versions, r.err
}

// Tree is History's.
func (r *remembered) Tree(ctx context.Context, commit string) (fs.FS, error) {
	r.mu.Lock()
	get, ok := r.trees[commit]
	if !ok {
		get = sync.OnceValues(func() (fs.FS, error) { return r.of.Tree(ctx, commit) })
		r.trees[commit] = get
	}
	r.mu.Unlock()
	return get()
}

// Recipe is Loader's.
func (r *remembered) Recipe(ctx context.Context, commit string, opts recipe.Options) (*recipe.Recipe, error) {
	key := loading{commit, opts}
	r.mu.Lock()
	get, ok := r.recipes[key]
	if !ok {
		get = sync.OnceValues(func() (*recipe.Recipe, error) { return r.load(ctx, commit, opts) })
		r.recipes[key] = get
	}
	r.mu.Unlock()
	return get()
}

func (r *remembered) load(ctx context.Context, commit string, opts recipe.Options) (*recipe.Recipe, error) {
	if l, ok := r.of.(Loader); ok {
		return l.Recipe(ctx, commit, opts)
	}
	tree, err := r.Tree(ctx, commit)
	if err != nil {
		return nil, err
	}
	return recipe.Load(tree, opts)
}
