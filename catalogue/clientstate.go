package catalogue

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
)

// anchorName is the root that trust in a location started with. The other files
// of a location's folder are go-tuf's: root, timestamp, snapshot, targets; and the
// hash bins that were read, which are a cache.
const anchorName = "anchor.json"

// refresh verifies the metadata against what is known of the location. What is
// trusted for the first time, or pinned anew, is kept only once all of it verified.
func (c *Client) refresh(ctx context.Context) error {
	stateDir, done, err := c.stateDir(ctx)
	if err != nil {
		return err
	}
	defer done()
	if err := c.refreshIn(ctx, stateDir); err != nil {
		return err
	}
	if c.opts.StateDir == "" {
		c.state.SetDir("") // the folder is about to go
	}
	return nil
}

func (c *Client) refreshIn(ctx context.Context, stateDir string) error {
	dir := filepath.Join(stateDir, stateName(c.from.Location()))
	anchor, err := savedAnchor(dir)
	known := err == nil && c.isPinned(anchor)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return damaged(dir, err)
	case !known && c.opts.Offline:
		return c.neverRead(err == nil)
	case !known && c.opts.Root != nil:
		return c.trustNew(ctx, stateDir, dir, c.opts.Root, false)
	case !known:
		return c.trustFirst(ctx, stateDir, dir)
	}
	root, err := trust.SavedRoot(dir)
	if err != nil {
		return damaged(dir, err)
	}
	if c.opts.Offline {
		return c.goOffline(ctx, dir, root, anchor, nil)
	}
	c.state, err = trust.Refresh(ctx, c.from, dir, root, c.opts.Now)
	switch {
	case err == nil:
		c.setInfo(trust.Fingerprint(anchor), false)
	case isUnreachable(err):
		err = c.goOffline(ctx, dir, root, anchor, err)
	}
	if closed := private(dir); err == nil { // what is wrong with the folder, err says
		err = closed
	}
	return err
}

// stateName is what a location's files in the folder of all are named by.
func stateName(location string) string {
	sum := sha256.Sum256([]byte(location))
	return hex.EncodeToString(sum[:16])
}

// isPinned tells whether trust may go on from an anchor.
func (c *Client) isPinned(anchor []byte) bool {
	if c.opts.Root != nil {
		return string(anchor) == string(c.opts.Root)
	}
	return c.opts.Fingerprint == "" || trust.Fingerprint(anchor) == c.opts.Fingerprint
}

// CheckRoot tells what is wrong with a file that should be a root to trust. The
// words read on after the file's name.
func CheckRoot(root []byte) error {
	if _, err := trust.NewChain(root); err != nil {
		err = fault.New(fault.Refused, "is no root to trust: it %w", err)
		return fault.Hint(err, "give the root.json that the publisher hands out: galley catalogue keys export-root makes it")
	}
	return nil
}

// stateDir is the locked folder of all locations, or a temporary one.
func (c *Client) stateDir(ctx context.Context) (dir string, done func(), err error) {
	if c.opts.StateDir == "" {
		dir, err := os.MkdirTemp("", "galley-trust-")
		if err != nil {
			return "", nil, trust.KeepError(os.TempDir(), err)
		}
		return dir, func() { _ = os.RemoveAll(dir) }, nil
	}
	if err := os.MkdirAll(c.opts.StateDir, 0o700); err != nil {
		return "", nil, trust.KeepError(c.opts.StateDir, err)
	}
	lock := flock.New(filepath.Join(c.opts.StateDir, ".lock"), flock.SetPermissions(0o600))
	limited, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	if _, err := lock.TryLockContext(limited, 50*time.Millisecond); err != nil {
		if limited.Err() == nil {
			return "", nil, trust.KeepError(c.opts.StateDir, err)
		}
		err = fmt.Errorf("waiting for another galley that uses %q: %w", c.opts.StateDir, err)
		return "", nil, fault.Hint(err, "try again when it is done")
	}
	return c.opts.StateDir, func() { _ = lock.Unlock() }, nil
}

func savedAnchor(dir string) ([]byte, error) {
	d, err := disk.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Read(anchorName, trust.MaxLength(trust.Root))
}

func damaged(dir string, err error) error {
	err = fault.New(fault.Refused, "what is kept of this catalogue in %q cannot be read: %w", dir, err)
	return fault.Hint(err, "restore the folder; without it the catalogue's root must be compared by hand again")
}

// trustFirst takes the root that the catalogue starts with. It is the oldest one:
// its fingerprint stays the same however often the publisher rotates keys.
func (c *Client) trustFirst(ctx context.Context, stateDir, dir string) error {
	name := trust.Name(trust.Root, 1)
	root, err := c.from.Fetch(ctx, name, trust.MaxLength(trust.Root))
	if errors.Is(err, fs.ErrNotExist) {
		err := fault.New(fault.Unavailable, "there is no %s", name)
		return fault.Hint(err, "give the address under which the catalogue was published")
	}
	if errors.Is(err, disk.ErrTooLarge) {
		return refused("%s is longer than it may be", name)
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	if _, err := trust.NewChain(root); err != nil {
		return refused("%s %w", name, err)
	}
	if want := c.opts.Fingerprint; want != "" && trust.Fingerprint(root) != want {
		err := fault.New(fault.Refused, "%s is not the pinned root: its fingerprint is %s, expected %s", name, trust.Fingerprint(root), want)
		return fault.Hint(err, "compare with what the publisher says elsewhere; somebody else may answer at this address")
	}
	return c.trustNew(ctx, stateDir, dir, root, c.opts.Fingerprint == "")
}

// trustNew starts from a root in a folder of its own, which takes the place of
// the location's once all verified. Versions seen before still count.
func (c *Client) trustNew(ctx context.Context, stateDir, dir string, root []byte, firstUse bool) error {
	staging, err := os.MkdirTemp(stateDir, ".new-")
	if err != nil {
		return trust.KeepError(dir, err)
	}
	defer os.RemoveAll(staging)
	if err := copySeen(dir, staging); err != nil {
		return trust.KeepError(dir, err)
	}
	if c.state, err = trust.Refresh(ctx, c.from, staging, root, c.opts.Now); err != nil {
		if !firstUse && fault.KindOf(err) == fault.Refused {
			return fault.Hint(err, "the pinned root, %s, may be of another catalogue", trust.Short(trust.Fingerprint(root)))
		}
		return err
	}
	if err := trust.WriteFile(filepath.Join(staging, anchorName), root); err != nil {
		return trust.KeepError(dir, err)
	}
	if err := private(staging); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return trust.KeepError(dir, err)
	}
	if err := os.Rename(staging, dir); err != nil {
		return trust.KeepError(dir, err)
	}
	c.state.SetDir(dir)
	c.setInfo(trust.Fingerprint(root), firstUse)
	return nil
}

func copySeen(from, to string) error {
	for _, role := range trust.Roles[1:] {
		name := string(role) + ".json"
		data, err := os.ReadFile(filepath.Join(from, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, name), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// private takes what go-tuf writes away from other users.
func private(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return trust.KeepError(dir, err)
	}
	for _, e := range entries {
		if e.Type().IsRegular() {
			err := os.Chmod(filepath.Join(dir, e.Name()), 0o600)
			if err != nil && !errors.Is(err, fs.ErrNotExist) { // another galley renames what it wrote
				return trust.KeepError(dir, err)
			}
		}
	}
	return nil
}
