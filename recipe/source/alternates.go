package source

import (
	"errors"
	"path/filepath"
	"strings"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"
)

// maxAlternates is how many folders of objects a repository may borrow from, and
// maxBorrowing how far that goes on (as in git).
const (
	maxAlternates = 20
	maxBorrowing  = 5
)

// alternates are the objects that `git clone --shared` and --reference leave
// where they are (gitrepository-layout(5), objects/info/alternates). A folder that
// is not there is left out: what was in it is then missing, and reported as that.
func (f folders) alternates(limit int) []*filesystem.ObjectStorage {
	var stores []*filesystem.ObjectStorage
	seen := map[string]bool{}
	next := []string{filepath.Join(f.common, "objects")}
	for range maxBorrowing {
		var found []string
		for _, objects := range next {
			text, err := readSmall(filepath.Join(objects, "info", "alternates"), maxGitConfig)
			if err != nil {
				continue
			}
			for line := range strings.Lines(string(text)) {
				line = strings.TrimRight(line, "\n")
				if line == "" || strings.HasPrefix(line, "#") {
					continue
				}
				dir := filepath.Clean(beside(objects, line))
				// go-git finds objects in a folder of that name only.
				if seen[dir] || filepath.Base(dir) != "objects" || len(stores) >= limit {
					continue
				}
				seen[dir] = true
				found = append(found, dir)
				stores = append(stores, filesystem.NewObjectStorageWithOptions(dotgit.New(osfs.New(filepath.Dir(dir))),
					cache.NewObjectLRUDefault(), filesystem.Options{MaxOpenDescriptors: maxOpenPacks}))
			}
		}
		next = found
	}
	return stores
}

// inStores asks the repository's own objects, and then those it borrows.
func (r *Repository) inStores(ask func(*filesystem.ObjectStorage) error) error {
	err := ask(&r.storer.ObjectStorage)
	for _, s := range r.borrowed {
		if !errors.Is(err, plumbing.ErrObjectNotFound) {
			break
		}
		err = ask(s)
	}
	return err
}
