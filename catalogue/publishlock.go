package catalogue

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/internal/fault"
)

// lockName is the file in the scratch folder that one publisher at a time holds.
const lockName = "publish.lock"

// maxLockTries bounds how often a lock is taken that was removed meanwhile.
const maxLockTries = 100

// lockFolder keeps others from publishing to a folder until unlock, and clears
// what a killed run left. The lock goes with the process, however that ends.
func lockFolder(folder string) (unlock func() error, err error) {
	scratch := filepath.Join(folder, disk.Scratch)
	name := filepath.Join(scratch, lockName)
	for range maxLockTries {
		if err := os.MkdirAll(scratch, 0o755); err != nil {
			return nil, err
		}
		lock := flock.New(name, flock.SetPermissions(0o644))
		held, err := lock.TryLock()
		if errors.Is(err, os.ErrNotExist) {
			continue // another one ended and removed the scratch folder
		}
		if err != nil {
			return nil, fmt.Errorf("locking %q: %w", folder, err)
		}
		if !held {
			err := fault.New(fault.Unavailable, "another galley publishes to %q", folder)
			return nil, fault.Hint(err, "try again when it is done")
		}
		if !stands(lock, name) {
			_ = lock.Close()
			continue
		}
		if err := clearScratch(scratch); err != nil {
			return nil, errors.Join(err, lock.Close())
		}
		return func() error {
			// Removed while held: who takes the removed file sees that it is not
			// the one that stands there. Another's lock may be there already.
			_ = os.Remove(name)
			_ = os.Remove(scratch)
			return lock.Close()
		}, nil
	}
	return nil, fault.New(fault.Unavailable, "locking %q: others keep publishing to it", folder)
}

// stands tells whether the locked file is still the one of that name.
func stands(lock *flock.Flock, name string) bool {
	held, err := lock.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(name)
	return err == nil && os.SameFile(held, there)
}

func clearScratch(scratch string) error {
	entries, err := os.ReadDir(scratch)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == lockName {
			continue
		}
		if err := os.RemoveAll(filepath.Join(scratch, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
