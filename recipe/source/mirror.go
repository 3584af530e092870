package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/gofrs/flock"
)

// lockRetry is how often a mirror that another process updates is asked for.
const lockRetry = 50 * time.Millisecond

// openRemote brings the source's mirror to what was listed, and opens it.
func openRemote(ctx context.Context, src Source, opts Options, listed refList) (*Repository, error) {
	cache, temp, err := cacheDir(opts.CacheDir)
	if err != nil {
		return nil, err
	}
	repo, err := openMirror(ctx, src, filepath.Join(cache, src.mirrorName()), listed)
	if err != nil {
		if temp != "" {
			err = errors.Join(err, os.RemoveAll(temp))
		}
		return nil, err
	}
	repo.temp = temp
	return repo, nil
}

// cacheDir makes the folder of the mirrors; temp is set when Close must remove it.
func cacheDir(dir string) (cache, temp string, err error) {
	if dir == "" {
		if temp, err = os.MkdirTemp("", "galley-mirror-"); err != nil {
			return "", "", fmt.Errorf("making a temporary mirror: %w", err)
		}
		return temp, temp, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", "", fmt.Errorf("making the cache folder: %w", err)
	}
	return dir, "", nil
}

// openMirror holds the mirror's lock until the refs are read. A mirror that
// cannot be updated, or lacks objects afterwards, is made anew beside it: it is a
// cache, so damage to it is no reason to fail.
func openMirror(ctx context.Context, src Source, dir string, listed refList) (*Repository, error) {
	lock := flock.New(dir + ".lock")
	if locked, err := lock.TryLockContext(ctx, lockRetry); !locked {
		return nil, fmt.Errorf("waiting for another galley to update the mirror of %q: %w", src, err)
	}
	defer func() { _ = lock.Unlock() }() // closing the file cannot harm what was read
	if exists(dir) {
		repo, err := update(ctx, src, dir, listed)
		if err == nil || ctx.Err() != nil {
			return repo, err
		}
	}
	partial := dir + ".partial" // also what a killed run left
	if err := os.RemoveAll(partial); err != nil {
		return nil, fmt.Errorf("clearing a partial mirror: %w", err)
	}
	if err := clone(ctx, src, partial, listed); err != nil {
		return nil, errors.Join(err, os.RemoveAll(partial))
	}
	if err := os.RemoveAll(dir); err != nil {
		return nil, fmt.Errorf("replacing a mirror: %w", err)
	}
	if err := os.Rename(partial, dir); err != nil {
		return nil, fmt.Errorf("replacing a mirror: %w", err)
	}
	return openDir(src, dir)
}

func clone(ctx context.Context, src Source, dir string, listed refList) error {
	if _, err := git.PlainInit(dir, true); err != nil {
		return fmt.Errorf("making a mirror of %q: %w", src, src.clean(err))
	}
	repo, err := update(ctx, src, dir, listed)
	if err != nil {
		return err
	}
	return repo.Close()
}

// update brings the mirror in dir to what the remote has, and opens it.
func update(ctx context.Context, src Source, dir string, listed refList) (*Repository, error) {
	repo, err := openDir(src, dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = repo.Close() }() // what is returned is opened after it
	if !repo.matches(listed) {
		if listed, err = repo.fetch(ctx, listed); err != nil {
			return nil, err
		}
		if err := writeRefs(dir, listed); err != nil {
			return nil, fmt.Errorf("updating the mirror of %q: %w", src, err)
		}
	}
	if err := repo.setHead(listed.head); err != nil {
		return nil, err
	}
	updated, err := openDir(src, dir)
	if err != nil {
		return nil, err
	}
	if err := updated.complete(); err != nil {
		return nil, errors.Join(err, updated.Close())
	}
	return updated, nil
}

// matches says whether the mirror's branches and tags are those listed.
func (r *Repository) matches(listed refList) bool {
	count := 0
	for name, ref := range r.refs {
		if !name.IsBranch() && !name.IsTag() {
			continue
		}
		if listed.refs[name] != ref.Hash() {
			return false
		}
		count++
	}
	return count == len(listed.refs)
}

func (r *Repository) setHead(head *plumbing.Reference) error {
	if head == nil {
		return nil
	}
	if now, ok := r.refs[plumbing.HEAD]; ok && now.Strings() == head.Strings() {
		return nil
	}
	if err := r.storer.SetReference(head); err != nil {
		return fmt.Errorf("updating the mirror of %q: %w", r.source, err)
	}
	return nil
}

// complete says whether every ref's object is there. What those refer to came
// in the same pack, and is checked when it is read.
func (r *Repository) complete() (err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer catch(&err)
	for name, ref := range r.refs {
		if ref.Type() != plumbing.HashReference {
			continue
		}
		if err := r.storer.HasEncodedObject(ref.Hash()); err != nil {
			return fmt.Errorf("mirror of %q lacks the object of %q: %w: %w", r.source, name, ErrCorrupt, err)
		}
	}
	return nil
}
