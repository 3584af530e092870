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

	"github.com/go-git/go-billy/v5"
	"github.com/go-git/go-billy/v5/osfs"
	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/storage"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"

	"github.com/galley-coop/galley/internal/fault"
)

// DefaultTimeout bounds the network part of Open and List. A large recipe
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

	mu     sync.Mutex // guards kept, and storer: go-git's storage is not safe for concurrent use
	kept   kept
	storer *filesystem.Storage
	// borrowed are the objects of other repositories (objects/info/alternates),
	// which go-git does not look at when it is asked for a size.
	borrowed []*filesystem.ObjectStorage
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
	dirs, err := findFolders(root)
	if err != nil {
		return nil, src.explainOpen(err)
	}
	storer := dirs.storage()
	if _, err := git.Open(storer, nil); err != nil { // checks what kind of repository it is
		return nil, src.explainOpen(errors.Join(err, storer.Close()))
	}
	refs, err := readRefs(storer)
	if err != nil {
		return nil, src.explainOpen(errors.Join(fmt.Errorf("reading refs: %w", err), storer.Close()))
	}
	return &Repository{source: src, root: root, refs: refs, storer: storer, borrowed: dirs.alternates(maxAlternates)}, nil
}

// maxOpenPacks is how many pack files of one repository are kept open. Opening
// them anew for each object takes most of the time of reading small objects.
const maxOpenPacks = 8

// storage reads a repository as git.PlainOpen would.
func (f folders) storage() *filesystem.Storage {
	var common billy.Filesystem
	if f.common != f.git {
		common = osfs.New(f.common)
	}
	return filesystem.NewStorageWithOptions(
		dotgit.NewRepositoryFilesystem(osfs.New(f.git), common), cache.NewObjectLRUDefault(),
		filesystem.Options{MaxOpenDescriptors: maxOpenPacks})
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
	err := r.storer.Close()
	for _, s := range r.borrowed {
		err = errors.Join(err, s.Close())
	}
	if err != nil {
		err = fmt.Errorf("closing git repository %q: %w", r.source, err)
	}
	if r.temp == "" {
		return err
	}
	temp := r.temp
	r.temp = ""
	if gone := os.RemoveAll(temp); gone != nil {
		err = errors.Join(err, fmt.Errorf("removing temporary mirror: %w", gone))
	}
	return err
}

// catch turns a panic of the git library over damaged data into an error: one
// broken repository must not end a run over many.
func catch(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: git library gave up: %v", ErrCorrupt, p)
	}
}
