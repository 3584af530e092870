package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/storage"

	"github.com/galley-coop/galley/internal/fault"
)

// DefaultTimeout bounds the network part of Open and Remote. A large recipe
// repository (74 MB, 303 tags) is cloned in about 3 s.
const DefaultTimeout = 5 * time.Minute

// maxRefs bounds how many refs are taken from one repository.
const maxRefs = 200_000

// Options says how Open works. The zero value is good for local repositories.
type Options struct {
	// CacheDir is the folder that holds the bare mirrors of remote sources. It
	// is made, for the user alone, when it is not there. Empty: a temporary
	// folder that Close removes.
	CacheDir string
	// Timeout bounds everything that needs the network; 0 means DefaultTimeout.
	// The context's own deadline holds as well.
	Timeout time.Duration
	// Parents looks for the repository in the folders above a local path too, as
	// git does. Root then tells what was found. Without it, a folder that is no
	// repository is an error, and never some other repository's versions.
	Parents bool
	// Token is the password of an http or https location that names no user. It
	// is sent to that location's host only, and no text shows it.
	Token string
}

// Repository is a git repository as it stood when it was opened: refs are read
// once, and refer to objects that do not change. Open again to see what is new.
// It is safe for concurrent use.
type Repository struct {
	source Source
	root   string
	refs   map[plumbing.ReferenceName]*plumbing.Reference
	temp   string // removed by Close

	mu     sync.Mutex // guards storer: go-git's storage is not safe for concurrent use
	storer storage.Storer
}

// Open opens a local path or a file URL in place, and for any other location
// brings a bare mirror up to date first: branches and tags, moved ones moved,
// deleted ones deleted. Parse says which locations are understood.
func Open(ctx context.Context, location string, opts Options) (*Repository, error) {
	src, err := parseWith(location, opts)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, src.explain(err)
	}
	if src.Local {
		return openLocal(src, opts.Parents)
	}
	ctx, cancel := withTimeout(ctx, opts.Timeout)
	defer cancel()
	listed, err := list(ctx, src)
	if err != nil {
		return nil, err
	}
	return openRemote(ctx, src, opts, listed)
}

func openLocal(src Source, parents bool) (*Repository, error) {
	root, err := discover(src, parents)
	if err != nil {
		return nil, err
	}
	return openDir(src, root)
}

// openDir reads the repository whose work tree or bare folder is root. A work
// tree's .git may be a file that points elsewhere (linked work trees, submodules).
func openDir(src Source, root string) (_ *Repository, err error) {
	defer catch(&err)
	opened, err := git.PlainOpenWithOptions(root, &git.PlainOpenOptions{EnableDotGitCommonDir: true})
	if err != nil {
		return nil, src.explainOpen(err)
	}
	refs, err := readRefs(opened.Storer)
	if err != nil {
		return nil, src.explainOpen(fmt.Errorf("reading refs: %w", err))
	}
	return &Repository{source: src, root: root, refs: refs, storer: opened.Storer}, nil
}

// discover finds the folder to open. go-git's own search knows no bare
// repositories above the start: it would pass one by and take the work tree around it.
func discover(src Source, parents bool) (string, error) {
	info, err := os.Stat(src.URL)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fault.Hint(fmt.Errorf("opening %q: %w", src.URL, fs.ErrNotExist), "check the path")
	}
	if err != nil {
		return "", fmt.Errorf("opening git repository: %w", err)
	}
	if !info.IsDir() {
		return "", src.notRepository()
	}
	for dir := src.URL; ; dir = filepath.Dir(dir) {
		if IsRepository(dir) {
			return dir, nil
		}
		if !parents || dir == filepath.Dir(dir) {
			return "", src.notRepository()
		}
	}
}

// IsRepository tells whether dir looks like the top of a work tree or like a bare
// repository. Nothing is read.
func IsRepository(dir string) bool {
	return exists(filepath.Join(dir, ".git")) || isBare(dir)
}

// isBare looks for what gitrepository-layout(5) calls the least of a repository.
func isBare(dir string) bool {
	for _, name := range []string{"HEAD", "objects", "refs"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.IsDir() != (name != "HEAD") {
			return false
		}
	}
	return true
}

func readRefs(s storage.Storer) (map[plumbing.ReferenceName]*plumbing.Reference, error) {
	iter, err := s.IterReferences()
	if err != nil {
		return nil, err
	}
	refs := map[plumbing.ReferenceName]*plumbing.Reference{}
	err = iter.ForEach(func(ref *plumbing.Reference) error {
		if len(refs) >= maxRefs {
			return fmt.Errorf("more than %d refs", maxRefs)
		}
		refs[ref.Name()] = ref
		return nil
	})
	return refs, err
}

// Source is where the repository was opened from.
func (r *Repository) Source() Source { return r.source }

// Root is the folder that was opened: of a local repository the top of the work
// tree, or the bare repository; of a remote one its mirror.
func (r *Repository) Root() string { return r.root }

// Close frees what Open took. Trees of the repository cannot be read afterwards
// when it had a temporary mirror.
func (r *Repository) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.temp == "" {
		return nil
	}
	temp := r.temp
	r.temp = ""
	if err := os.RemoveAll(temp); err != nil {
		return fmt.Errorf("removing temporary mirror: %w", err)
	}
	return nil
}

// catch turns a panic of the git library over damaged data into an error: one
// broken repository must not end a run over many.
func catch(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: git library gave up: %v", ErrCorrupt, p)
	}
}
