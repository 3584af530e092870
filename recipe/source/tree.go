package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/galley-coop/galley/recipe/memfs"
)

// maxEntries bounds the files and folders that are listed through one tree. A few
// nested folders that share their contents can stand for billions of paths.
const maxEntries = 100_000

// Tree gives the files of a commit (a full hash, as Versions, Head and Resolve
// give it) as an fs.FS that also implements fs.ReadDirFS, fs.ReadFileFS and
// fs.StatFS. Nothing is checked out: folders are read when they are asked for,
// files when they are opened, and nothing of the work tree is seen.
//
// A symlink is listed as one and a submodule as irregular; neither can be opened.
// A folder with a name that memfs.CheckName refuses, or with a name twice, is an
// error, and so is a file larger than recipe.MaxBundleFileSize.
//
// ctx bounds this call only; reading the tree later needs no network. The tree
// may be used by several goroutines, until the repository is closed.
func (r *Repository) Tree(ctx context.Context, commit string) (fs.FS, error) {
	if !fullHash.MatchString(commit) {
		return nil, fmt.Errorf("reading the tree of commit %q: expected 40 hexadecimal digits", commit)
	}
	p, err := r.peel(ctx, plumbing.NewHash(commit))
	if err != nil {
		return nil, fmt.Errorf("reading the tree of commit %q: %w", commit, err)
	}
	t := &tree{repo: r, folders: map[string]*folder{}, left: maxEntries}
	root, err := t.load(p.commit.TreeHash)
	if err != nil {
		return nil, fmt.Errorf("reading the tree of commit %q: %w", commit, err)
	}
	t.folders["."] = root
	return t, nil
}

// tree implements fs.FS over a commit.
type tree struct {
	repo *Repository

	mu      sync.Mutex
	folders map[string]*folder // by path
	left    int                // entries that may still be listed
}

// folder is one decoded tree object.
type folder struct {
	list   []fs.DirEntry // of *node, sorted by name
	byName map[string]*node
}

// node is an entry of a git tree. It implements fs.DirEntry.
type node struct {
	repo *Repository
	name string
	mode fs.FileMode
	hash plumbing.Hash
}

func (n *node) Name() string      { return n.name }
func (n *node) IsDir() bool       { return n.mode.IsDir() }
func (n *node) Type() fs.FileMode { return n.mode.Type() }
func (n *node) String() string    { return fs.FormatDirEntry(n) }

// Info reads the size of a file, and no more of it. That of a symlink is the
// length of its target; folders and submodules have none.
func (n *node) Info() (fs.FileInfo, error) {
	if n.mode&(fs.ModeDir|fs.ModeIrregular) != 0 {
		return memfs.NewInfo(n.name, n.mode, 0), nil
	}
	size, err := n.repo.size(n.hash)
	if err != nil {
		return nil, err
	}
	return memfs.NewInfo(n.name, n.mode, size), nil
}

// load decodes a tree object and checks its names.
func (t *tree) load(h plumbing.Hash) (*folder, error) {
	obj, err := t.repo.read(h, func(plumbing.ObjectType) int64 { return maxTreeObject })
	if err != nil {
		return nil, err
	}
	var decoded object.Tree
	if err := t.repo.decode(h, decoded.Decode, obj); err != nil {
		return nil, err
	}
	if t.left -= len(decoded.Entries); t.left < 0 {
		return nil, fmt.Errorf("tree lists more than %d files and folders", maxEntries)
	}
	f := &folder{byName: make(map[string]*node, len(decoded.Entries))}
	for _, entry := range decoded.Entries {
		if err := memfs.CheckName(entry.Name); err != nil {
			return nil, err
		}
		if _, ok := f.byName[entry.Name]; ok {
			return nil, fmt.Errorf("name %q occurs twice", entry.Name)
		}
		n := &node{repo: t.repo, name: entry.Name, mode: modeOf(entry.Mode), hash: entry.Hash}
		f.byName[entry.Name] = n
		f.list = append(f.list, n)
	}
	slices.SortFunc(f.list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return f, nil
}

func modeOf(mode filemode.FileMode) fs.FileMode {
	switch mode {
	case filemode.Dir:
		return memfs.DirMode
	case filemode.Regular, filemode.Deprecated:
		return memfs.FileMode(false)
	case filemode.Executable:
		return memfs.FileMode(true)
	case filemode.Symlink:
		return fs.ModeSymlink | 0o777
	}
	return fs.ModeIrregular // a submodule, or a mode that git does not write
}

// find walks from the root to name. It is called with the mutex held.
func (t *tree) find(name string) (*node, error) {
	if !fs.ValidPath(name) {
		return nil, fs.ErrInvalid
	}
	if strings.Count(name, "/") >= memfs.MaxDepth {
		return nil, fmt.Errorf("more than %d folders deep", memfs.MaxDepth)
	}
	at := &node{repo: t.repo, name: ".", mode: memfs.DirMode}
	if name == "." {
		return at, nil
	}
	dir := "."
	for element := range strings.SplitSeq(name, "/") {
		f, err := t.folder(dir, at)
		if err != nil {
			return nil, err
		}
		next, ok := f.byName[element]
		if !ok {
			return nil, fs.ErrNotExist
		}
		at, dir = next, path.Join(dir, element)
	}
	return at, nil
}

// folder loads the folder n, which stands at the path dir, once.
func (t *tree) folder(dir string, n *node) (*folder, error) {
	if f, ok := t.folders[dir]; ok {
		return f, nil
	}
	if !n.IsDir() {
		return nil, fs.ErrNotExist
	}
	f, err := t.load(n.hash)
	if err != nil {
		return nil, err
	}
	t.folders[dir] = f
	return f, nil
}

var (
	errIsDir  = errors.New("is a folder, expected a file")
	errNotDir = errors.New("is a file, expected a folder")
)

// content reads a file's bytes, or says why it has none to read.
func (n *node) content() ([]byte, error) {
	switch {
	case n.IsDir():
		return nil, errIsDir
	case n.mode&fs.ModeSymlink != 0:
		return nil, errors.New("is a symlink, which is not followed")
	case !n.mode.IsRegular():
		return nil, errors.New("is a submodule or otherwise irregular, expected a file")
	}
	obj, err := n.repo.read(n.hash, limitAll)
	if err != nil {
		return nil, err
	}
	if obj.Type() != plumbing.BlobObject {
		return nil, n.repo.corrupt(n.hash, fmt.Errorf("it is a %s, expected a blob", obj.Type()))
	}
	return content(obj)
}

func pathError(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// Open implements fs.FS.
func (t *tree) Open(name string) (fs.File, error) {
	t.mu.Lock()
	n, err := t.find(name)
	t.mu.Unlock()
	if err != nil {
		return nil, pathError("open", name, err)
	}
	if n.IsDir() {
		list, err := t.ReadDir(name)
		if err != nil {
			return nil, err
		}
		return memfs.OpenDir(memfs.NewInfo(n.name, n.mode, 0), list), nil
	}
	data, err := n.content()
	if err != nil {
		return nil, pathError("open", name, err)
	}
	return memfs.OpenFile(memfs.NewInfo(n.name, n.mode, int64(len(data))), data), nil
}

// ReadFile implements fs.ReadFileFS.
func (t *tree) ReadFile(name string) ([]byte, error) {
	t.mu.Lock()
	n, err := t.find(name)
	t.mu.Unlock()
	if err != nil {
		return nil, pathError("open", name, err)
	}
	data, err := n.content()
	if err != nil {
		return nil, pathError("read", name, err)
	}
	return data, nil
}

// ReadDir implements fs.ReadDirFS.
func (t *tree) ReadDir(name string) ([]fs.DirEntry, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, err := t.find(name)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	if !n.IsDir() {
		return nil, pathError("readdir", name, errNotDir)
	}
	f, err := t.folder(name, n)
	if err != nil {
		return nil, pathError("readdir", name, err)
	}
	return slices.Clone(f.list), nil
}

// Stat implements fs.StatFS. It follows no symlink: it describes the link.
func (t *tree) Stat(name string) (fs.FileInfo, error) {
	t.mu.Lock()
	n, err := t.find(name)
	t.mu.Unlock()
	if err != nil {
		return nil, pathError("stat", name, err)
	}
	info, err := n.Info()
	if err != nil {
		return nil, pathError("stat", name, err)
	}
	return info, nil
}
