package lint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/recipe/memfs"
)

// LoadReader reads one file from r in place of what stands at name on disk, if
// anything does, and gives the target that it is part of: the recipe in its
// folder, with every other file as it is on disk, or a loose compose file. Only
// findings in the file itself count (Target.Focus), and nothing can be written.
//
// A file that is no compose file, such as a configuration's template, is linted
// with the recipe whose folder it is in.
func LoadReader(ctx context.Context, r io.Reader, name string, opts LoadOptions) (Target, error) {
	data, err := io.ReadAll(io.LimitReader(r, recipe.MaxFileSize+1))
	if err != nil {
		return Target{}, fmt.Errorf("reading %q from standard input: %w", name, err)
	}
	if len(data) > recipe.MaxFileSize {
		return Target{}, fmt.Errorf("reading %q from standard input: it is larger than %d bytes", name, recipe.MaxFileSize)
	}
	return LoadBuffers(ctx, name, map[string][]byte{name: data}, opts)
}

// LoadBuffers gives the target that the file name is part of, with the contents
// of some files, by path, replaced: what an editor has open. Files outside the
// target's folder are left aside.
func LoadBuffers(ctx context.Context, name string, buffers map[string][]byte, opts LoadOptions) (Target, error) {
	if err := opts.check(); err != nil {
		return Target{}, err
	}
	name = filepath.ToSlash(filepath.Clean(name))
	if base := path.Base(name); base == "." || base == ".." || base == "/" || !fs.ValidPath(base) {
		return Target{}, fault.New(fault.Usage, "%q is no file's name", name)
	}
	b := buffered{ctx: ctx, opts: opts, files: buffers}
	dir, below, err := home(name)
	if err != nil {
		return Target{}, err
	}
	if !isYAMLName(name) {
		return b.whole(dir, below)
	}
	if opts.As != AsCompose {
		t, err := b.whole(dir, below)
		if err == nil && !t.Loose && t.Recipe.Document(below) != nil {
			return t, nil
		}
	}
	return b.alone(path.Split(name))
}

func isYAMLName(name string) bool { return path.Ext(name) == ".yml" || path.Ext(name) == ".yaml" }

// buffered loads targets over the contents of files.
type buffered struct {
	ctx   context.Context
	opts  LoadOptions
	files map[string][]byte // by path on disk
}

// whole is the target of a folder, for one of its files.
func (b buffered) whole(dir, name string) (Target, error) {
	p, err := b.place(dir, name)
	if err != nil {
		return Target{}, err
	}
	for _, base := range recipe.ComposeNames {
		if _, err := fs.Stat(p.fsys, base); err == nil {
			p.at.Compose = base
			break
		}
	}
	t, err := p.load(b.ctx, b.opts)
	return t.focused(name), err
}

// alone is the target of a compose file itself.
func (b buffered) alone(dir, name string) (Target, error) {
	p, err := b.place(path.Clean(dir), name)
	if err != nil {
		return Target{}, err
	}
	p.at.Compose, p.at.Alone, p.given = name, true, true
	t, err := p.load(b.ctx, b.opts)
	return t.focused(name), err
}

func (b buffered) place(dir, name string) (place, error) {
	dir = filepath.FromSlash(dir)
	p := place{root: dir, shown: shown(dir), at: recipe.Location{Dir: "."}, first: true}
	var err error
	if p.config, err = b.opts.Configs.For(dir); err != nil {
		return p, err
	}
	if p.fsys, err = folderFS(dir); err != nil {
		return p, err
	}
	p.watch(b.ctx, b.opts.Tracked)
	if p.tree != nil {
		p.tree.given = name
	}
	files, err := b.below(dir)
	p.fsys = View(p.fsys, files)
	return p, err
}

// below are the files in a folder, by their path in it.
func (b buffered) below(dir string) (map[string][]byte, error) {
	top, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("looking for %q: %w", dir, err)
	}
	files := map[string][]byte{}
	for name, data := range b.files {
		full, err := filepath.Abs(filepath.FromSlash(name))
		if err != nil {
			return nil, fmt.Errorf("looking for %q: %w", name, err)
		}
		if rel, err := filepath.Rel(top, full); err == nil && filepath.IsLocal(rel) {
			files[filepath.ToSlash(rel)] = data
		}
	}
	return files, nil
}

// focused is the target with the findings of one file alone, and nothing on disk.
func (t Target) focused(name string) Target {
	t.Focus = path.Join(t.Dir, name)
	t.root, t.below = "", ""
	return t
}

// home is the folder of the recipe that a file belongs to, and the file's path in
// it: its own folder, or one above it that has a recipe's marks.
func home(name string) (dir, below string, err error) {
	dir, below = path.Split(name)
	dir = path.Clean(dir)
	const highest = 5
	up, rest := dir, below
	for range highest {
		if hasMarksOnDisk(up) {
			return up, rest, nil
		}
		absolute, err := filepath.Abs(filepath.FromSlash(up))
		if err != nil {
			return "", "", fmt.Errorf("looking for the folder of %q: %w", name, err)
		}
		if _, err := os.Lstat(filepath.Join(absolute, ".git")); err == nil || absolute == filepath.Dir(absolute) {
			break
		}
		up, rest = path.Join(up, ".."), path.Join(filepath.Base(absolute), rest)
	}
	return dir, below, nil
}

// hasMarksOnDisk tells whether a folder holds what only recipes have.
func hasMarksOnDisk(dir string) bool {
	dir = filepath.FromSlash(dir)
	for _, name := range []string{recipe.SampleName, recipe.ScriptName} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}

// folderFS is a folder on disk, empty when it is not there.
func folderFS(dir string) (fs.FS, error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return memfs.New(nil)
	}
	if err != nil {
		return nil, unreadable(dir, err)
	}
	return root.FS(), nil
}
