package lint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/recipe/source"
)

// Since drops from after what before had too: the findings of the same file with
// the same fingerprint. What is left is what the change between them brought. It
// gives how many were dropped.
//
// What a comment hid in before counts as new when nothing hides it any more.
func Since(before, after *Result) int {
	type known struct{ file, fingerprint string }
	had := make(map[known]bool, len(before.Findings))
	for _, f := range before.Findings {
		had[known{f.File, f.Fingerprint}] = true
	}
	return after.drop(func(f Finding) bool { return had[known{f.File, f.Fingerprint}] })
}

// At gives targets as they stood at a commit of the git repositories that they
// are in; revision is what source.Repository.Resolve understands. A target whose
// folder was not there is left out, and so is what it is called: everything about
// it is new. Nothing is checked out.
func At(ctx context.Context, targets []Target, revision string) ([]Target, error) {
	past := pastTrees{revision: revision, trees: map[string]fs.FS{}}
	var found []Target
	for _, t := range targets {
		before, err := past.target(ctx, t)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("looking at %q as of %q: %w", t.Path, revision, err)
		}
		found = append(found, before)
	}
	return found, nil
}

// pastTrees are the trees of one revision, by the root of the repository.
type pastTrees struct {
	revision string
	trees    map[string]fs.FS
}

func (p *pastTrees) target(ctx context.Context, t Target) (Target, error) {
	if t.root == "" {
		return Target{}, fault.New(fault.Usage, "it is not on disk, and has no history")
	}
	dir, err := filepath.Abs(filepath.Join(t.root, filepath.FromSlash(t.below)))
	if err != nil {
		return Target{}, err
	}
	root := gitRoot(dir)
	if root == "" {
		return Target{}, fault.Hint(fault.New(fault.Usage, "%q is in no git work tree", t.Dir), "only what git knows has a past to compare with")
	}
	tree, err := p.tree(ctx, root)
	if err != nil {
		return Target{}, err
	}
	rel, err := filepath.Rel(root, dir)
	if err != nil {
		return Target{}, err
	}
	at := &view{fsys: tree, dir: path.Clean(filepath.ToSlash(rel))}
	if _, err := at.Stat("."); err != nil {
		return Target{}, err
	}
	if t.Recipe, err = recipe.Load(at, t.Load); err != nil {
		return Target{}, err
	}
	t.root, t.below = "", ""
	return t, nil
}

func (p *pastTrees) tree(ctx context.Context, root string) (fs.FS, error) {
	if tree, ok := p.trees[root]; ok {
		return tree, nil
	}
	repository, err := source.Open(ctx, root, source.Options{})
	if err != nil {
		return nil, err
	}
	commit, err := repository.Resolve(ctx, p.revision)
	if err != nil {
		return nil, err
	}
	p.trees[root], err = repository.Tree(ctx, commit)
	return p.trees[root], err
}
