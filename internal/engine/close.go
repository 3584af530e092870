package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Close ends the engine and removes everything that it made: processes, namespaces,
// link, cgroups, state root. It neither leaves the swarm nor asks the daemon to stop:
// both keep all they have inside the namespaces and the state root. It returns when
// all is gone; a second call does nothing, or tries again what the first could not.
func (e *Engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	if e.init != nil {
		_ = e.init.gate.Close() // closed already unless the start failed
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := remove(ctx, e.rec); err != nil {
		return fmt.Errorf("closing the engine %s: %w", e.rec.ID, err)
	}
	if e.init != nil {
		<-e.init.done // it is dead; this waits until it is no zombie either
	}
	e.closed = true
	return nil
}

// remove takes away all that a record names. What is gone already is no error, so
// it serves Close and Sweep, and a Sweep beside another.
func remove(ctx context.Context, r record) error {
	boot, _, err := here()
	if err != nil {
		return err
	}
	if r.Boot == boot {
		if err := kill(r.Init); err != nil {
			return err
		}
		err := poll(ctx, func(context.Context) error {
			// A zombie will do: the kernel ended its namespace's processes before.
			if r.Init.alive() {
				return fmt.Errorf("process %d still runs", r.Init.PID)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("waiting for the daemon's end: %w", err)
		}
		// The kernel removes the link with the namespace, but takes its time.
		if err := removeLink(ctx, r.Link); err != nil {
			return err
		}
	}
	if err := removeCgroups(ctx, r.Cgroup); err != nil {
		return err
	}
	if err := unmountBelow(r.Dir); err != nil {
		return err
	}
	return removeDir(r.Dir)
}

// removeDir removes the state root, the record last: until then a Sweep finds it.
func removeDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("removing the engine's directory: %w", err)
	}
	for _, e := range entries {
		if e.Name() == recordName {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("removing the engine's directory: %w", err)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("removing the engine's directory: %w", err)
	}
	return nil
}

// unmountBelow detaches what is mounted in dir in the caller's mount namespace. An
// engine mounts nothing there; a user who looked into its directory may have.
func unmountBelow(dir string) error {
	mounts, err := mountInfo()
	if err != nil {
		return err
	}
	slices.Reverse(mounts) // a mount comes after those it lies on
	for _, m := range mounts {
		if m.point != dir && !strings.HasPrefix(m.point, dir+"/") {
			continue
		}
		if err := unmount(m.point); err != nil {
			return err
		}
	}
	return nil
}

// removeCgroups removes the engine's cgroup and those below it in every hierarchy.
// One whose last process just ended is busy for a moment.
func removeCgroups(ctx context.Context, name string) error {
	roots, err := cgroupRoots()
	if err != nil {
		return err
	}
	for _, root := range roots {
		top := filepath.Join(root, name)
		err := poll(ctx, func(context.Context) error { return removeCgroup(top) })
		if err != nil {
			return fmt.Errorf("removing the engine's cgroups: %w", err)
		}
	}
	return nil
}

func removeCgroup(top string) error {
	dirs, err := dirsBelow(top)
	if err != nil {
		return err
	}
	slices.Reverse(dirs) // children before their parents
	var errs []error
	for _, d := range dirs {
		if err := os.Remove(d); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// dirsBelow lists top and the directories below it, parents first. A directory that
// is not there, or goes while it is read, is no error.
func dirsBelow(top string) ([]string, error) {
	var dirs []string
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || (err == nil && !d.IsDir()) {
			return nil
		}
		if err == nil {
			dirs = append(dirs, path)
		}
		return err
	})
	return dirs, err
}

// emptyAge is how old a nameless empty directory must be before Sweep takes it for a
// start that was killed in its first moment.
const emptyAge = time.Minute

// Sweep removes what engines left whose owner was killed and could not close them. It
// looks at the children of parent, where "" is os.TempDir(). Engines whose owner lives
// are left alone, whoever that is, and so is everything without an engine's record.
func Sweep(ctx context.Context, parent string) error {
	if parent == "" {
		parent = os.TempDir()
	}
	parent, err := filepath.Abs(parent)
	if err != nil {
		return fmt.Errorf("sweeping after killed engines: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	found, err := records(parent)
	errs := []error{err}
	for _, r := range found {
		gone, err := r.orphaned()
		if err == nil && gone {
			err = remove(ctx, r)
		}
		errs = append(errs, err)
	}
	errs = append(errs, sweepEmpty(parent))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("sweeping after killed engines: %w", err)
	}
	return nil
}

func sweepEmpty(parent string) error {
	dirs, err := filepath.Glob(filepath.Join(parent, Marker+"*"))
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		st, err := os.Lstat(dir)
		if err != nil || !st.IsDir() || time.Since(st.ModTime()) < emptyAge {
			continue
		}
		_ = os.Remove(dir) // refuses what is not empty, as it should
	}
	return nil
}
