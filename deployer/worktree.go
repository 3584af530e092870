package deployer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
	git "github.com/galley-coop/galley/recipe/source"
)

// Tree is a recipe read from a folder, and what the linter says of it.
type Tree struct {
	WorkTree
	Recipe *recipe.Recipe
	Lint   *lint.Result
}

// ReadTree reads the recipe in a folder as it lies there: committed or not, tracked
// or not. What comments in the files hide from the linter counts, as it does at a
// publisher's gate. Links that lead out of the folder are not followed. The folder must be a
// recipe itself; it need not be a git repository, nor the top of one.
func ReadTree(ctx context.Context, dir, name string, rules []lint.Rule) (*Tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		err = fmt.Errorf("reading the work tree: %w", err)
		return nil, fault.Hint(err, "give the recipe's folder")
	}
	// It stays open as long as the recipe reads from it; its finalizer closes it.
	loaded, err := recipe.Load(root.FS(), recipe.Options{})
	if err != nil {
		return nil, err
	}
	if loaded.Base == nil {
		err := fault.New(fault.Usage, "the folder %q is no recipe: it has no compose file", dir)
		return nil, fault.Hint(err, "run it in the recipe's folder, or name that")
	}
	if loaded.Name != "" && loaded.Name != name {
		err := fault.New(fault.Usage, "the folder %q is the recipe %q; the app wants %q", dir, loaded.Name, name)
		return nil, fault.Hint(err, "name the folder of that recipe, or another app")
	}
	t := &Tree{Recipe: loaded}
	world, done, err := t.identify(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer done()
	target := lint.Target{Path: dir, Dir: dir, Recipe: loaded, World: world}
	t.Lint, err = lint.Run(ctx, []lint.Target{target}, rules, lint.Options{})
	return t, err
}

// identify finds the commit that the folder is of, and whether it is that commit.
func (t *Tree) identify(ctx context.Context, dir string) (world lint.World, done func(), err error) {
	done = func() {}
	absolute, err := filepath.Abs(dir) // a relative "host:path" would be taken for a remote
	if err != nil {
		return world, done, err
	}
	top := repositoryOf(absolute)
	if top == "" {
		return world, done, t.identifyFiles()
	}
	repository, err := git.Open(ctx, top, git.Options{})
	if err != nil {
		return world, done, fmt.Errorf("reading the work tree's repository: %w", err)
	}
	done = func() { _ = repository.Close() }
	head, _, err := repository.Head(ctx)
	if errors.Is(err, git.ErrNoCommits) {
		return world, done, t.identifyFiles()
	}
	if err != nil {
		return world, done, err
	}
	t.Commit = head
	if top == absolute {
		world.History = lint.Remember(repository)
		versions, err := repository.Versions(ctx)
		if err != nil {
			return world, done, err
		}
		for _, v := range versions {
			if v.Commit == head && v.Parsed.App != "" {
				t.Version = v.Name
			}
		}
	}
	committed, err := repository.Tree(ctx, head)
	if err != nil {
		return world, done, err
	}
	below, err := filepath.Rel(top, absolute)
	if err == nil && below != "." {
		committed, err = fs.Sub(committed, filepath.ToSlash(below))
	}
	if err != nil {
		return world, done, err
	}
	t.Changed = !sameFiles(committed, t.Recipe.FS())
	return world, done, nil
}

// repositoryOf is the folder, this one or one above it, that is the top of a git
// work tree, "" without any.
func repositoryOf(dir string) string {
	for {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
		above := filepath.Dir(dir)
		if above == dir {
			return ""
		}
		dir = above
	}
}

// identifyFiles names a folder that no commit has by its content.
func (t *Tree) identifyFiles() error {
	hash := sha256.New()
	err := walkFiles(t.Recipe.FS(), func(name string, data []byte) error {
		_, err := fmt.Fprintf(hash, "%s %d\n%s", name, len(data), data)
		return err
	})
	t.Commit, t.Changed = hex.EncodeToString(hash.Sum(nil)), true
	return err
}

// maxTreeFiles bounds the files of a work tree that are looked at.
const maxTreeFiles = 10_000

// walkFiles visits the regular files of a folder, git's own apart.
func walkFiles(fsys fs.FS, visit func(name string, data []byte) error) error {
	seen := 0
	return fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path.Base(name) == ".git" && entry.IsDir():
			return fs.SkipDir
		case path.Base(name) == ".git" || !entry.Type().IsRegular():
			return nil
		}
		if seen++; seen > maxTreeFiles {
			return fmt.Errorf("the folder has more than %d files", maxTreeFiles)
		}
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		return visit(name, data)
	})
}

// errDiffers ends a walk.
var errDiffers = errors.New("a file differs")

// sameFiles tells whether a folder holds exactly the files of a commit. A file that
// git ignores makes it another one: what is in the folder can be deployed.
func sameFiles(committed, folder fs.FS) bool {
	there := map[string]bool{}
	err := walkFiles(folder, func(name string, data []byte) error {
		there[name] = true
		was, err := fs.ReadFile(committed, name)
		if err != nil || !bytes.Equal(was, data) {
			return errDiffers
		}
		return nil
	})
	if err != nil {
		return false
	}
	err = walkFiles(committed, func(name string, _ []byte) error {
		if !there[name] {
			return errDiffers
		}
		return nil
	})
	return err == nil
}
