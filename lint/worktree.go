package lint

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/recipe/source"
)

// workTree hides what git does not track from the view of a folder: an untracked
// file is in no clone, and a finding about it, or a missing one because of it,
// would be wrong for everybody else.
//
// A repository inside the folder is judged by its own index. What is in no
// repository is not hidden, and neither is what was given by name.
type workTree struct {
	ctx   context.Context
	disk  string // the folder
	fsys  fs.FS  // the same
	given string // a file of it that is never hidden, or ""

	mu    sync.Mutex
	repos map[string]*index // by folder of fsys; nil for none
	plain map[string]bool   // folders that are known to be no repository
	left  map[string]bool   // recipe files that were hidden
	notes []string
}

// index is what one repository tracks.
type index struct {
	files  map[string]bool // paths of the repository
	prefix string          // from the repository's root to the folder's, "" or with a slash at its end
	root   string          // from the folder's root to the repository's, "" or with a slash
}

// sees tells whether a file of the folder is tracked, or is in a submodule.
func (i *index) sees(name string) bool {
	name = i.prefix + strings.TrimPrefix(name, i.root)
	if i.files[name] {
		return true
	}
	for up := path.Dir(name); up != "."; up = path.Dir(up) {
		if i.files[up] { // a submodule, or a link to a folder
			return true
		}
	}
	return false
}

// tracked is the view of a folder on disk without what git does not track there.
func tracked(ctx context.Context, disk string, fsys fs.FS, given string) (*workTree, *view) {
	w := &workTree{ctx: ctx, disk: disk, fsys: fsys, given: given, repos: map[string]*index{}, plain: map[string]bool{}, left: map[string]bool{}}
	return w, &view{fsys: fsys, dir: ".", hides: w.hides, listed: w.listed}
}

// listed notes a folder that is no repository: it need not be looked for there.
func (w *workTree) listed(dir string, list []fs.DirEntry) {
	if slices.ContainsFunc(list, func(e fs.DirEntry) bool { return e.Name() == ".git" }) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.plain[dir] = true
}

// hides never hides a folder: git tracks files alone, and one without tracked
// files may hold another repository.
func (w *workTree) hides(name string, dir bool) bool {
	if dir || name == w.given || path.Base(name) == ".git" {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	repo := w.repo(path.Dir(name))
	if repo == nil || repo.sees(name) {
		return false
	}
	if isRecipeFile(path.Base(name)) {
		w.left[name] = true
	}
	return true
}

func isRecipeFile(name string) bool {
	ext := path.Ext(name)
	return ext == ".yml" || ext == ".yaml" || name == recipe.SampleName || name == recipe.ScriptName
}

// repo is the index for what stands in a folder, nil without a repository. It is
// called with the mutex held.
func (w *workTree) repo(dir string) *index {
	if known, ok := w.repos[dir]; ok {
		return known
	}
	var found *index
	switch {
	case w.isRepo(dir):
		found = w.open(dir)
	case dir != ".":
		found = w.repo(path.Dir(dir))
	default:
		found = w.open(".")
	}
	w.repos[dir] = found
	return found
}

func (w *workTree) isRepo(dir string) bool {
	if w.plain[dir] {
		return false
	}
	_, err := fs.Lstat(w.fsys, path.Join(dir, ".git"))
	return err == nil
}

// open reads the index of the repository at a folder, or above the topmost one.
// One that cannot be read hides nothing, and is noted.
func (w *workTree) open(dir string) *index {
	top, err := filepath.Abs(w.disk)
	if err != nil {
		return nil
	}
	at := filepath.Join(top, filepath.FromSlash(dir))
	root := gitRoot(at)
	if root == "" {
		return nil
	}
	files, err := trackedFiles(w.ctx, root)
	if err != nil {
		w.notes = append(w.notes, fmt.Sprintf("untracked files are not left out of %q: %v", w.disk, err))
		return nil
	}
	found := &index{files: files}
	if root != at {
		rel, err := filepath.Rel(root, at)
		if err != nil {
			return nil
		}
		found.prefix = filepath.ToSlash(rel) + "/"
	}
	if dir != "." {
		found.root = dir + "/"
	}
	return found
}

func trackedFiles(ctx context.Context, root string) (map[string]bool, error) {
	repository, err := source.Open(ctx, root, source.Options{})
	if err != nil {
		return nil, err
	}
	files, err := repository.Tracked(ctx)
	if closing := repository.Close(); err == nil {
		err = closing
	}
	return files, err
}

// gitRoot is the top of the work tree that a folder on disk is in, "" for none.
func gitRoot(dir string) string {
	for {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}

// said are the notes about what was hidden, one line each.
func (w *workTree) said() []string {
	left := w.hidden()
	w.mu.Lock()
	defer w.mu.Unlock()
	notes := slices.Clone(w.notes)
	if len(left) > 0 {
		notes = append(notes, fmt.Sprintf("%q: left out what git does not track: %s", w.disk, listed(left)))
	}
	return notes
}

// hidden lists the recipe files that were hidden so far.
func (w *workTree) hidden() []string {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(maps.Keys(w.left))
}

// listed names the first few of names.
func listed(names []string) string {
	const shown = 3
	if len(names) <= shown {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
}
