package lint

import (
	"context"
	"io/fs"
	"sync"

	"github.com/galley-coop/galley/recipe/source"
)

// Remember asks a history each thing once: a dozen rules want the same versions
// and the files of the same commit.
func Remember(h History) History {
	return &remembered{of: h, trees: map[string]func() (fs.FS, error){}}
}

type remembered struct {
	of       History
	once     sync.Once
	versions []source.Version
	err      error

	mu    sync.Mutex
	trees map[string]func() (fs.FS, error)
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
