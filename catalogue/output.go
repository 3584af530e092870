package catalogue

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/internal/fault"
)

// output is the folder of an unsigned catalogue, locked. Files change one by one:
// what is named by its hash first, a recipe's head after its entries, the index
// last. A run that is killed in between leaves a tree that Sign refuses and the
// next run completes.
type output struct {
	dir    *disk.Dir
	unlock func() error

	reads, writes, removes atomic.Int64 // for the report
}

// Files counts what a build read and wrote in its output.
type Files struct {
	Read    int `json:"read"`
	Written int `json:"written"`
	Removed int `json:"removed"`
}

func (o *output) files() Files {
	return Files{Read: int(o.reads.Load()), Written: int(o.writes.Load()), Removed: int(o.removes.Load())}
}

// openOutput makes the folder when it is not there, and refuses one that holds
// something else, or that another build works on.
func openOutput(ctx context.Context, target string) (*output, error) {
	if target == "" {
		return nil, fault.New(fault.Usage, "building a catalogue needs an output folder")
	}
	abs, err := filepath.Abs(target)
	if err != nil {
		return nil, fmt.Errorf("writing the catalogue: %w", err)
	}
	if err := checkOwn(abs); err != nil {
		return nil, err
	}
	dir, err := disk.Create(abs)
	if err != nil {
		return nil, fmt.Errorf("writing the catalogue: %w", err)
	}
	unlock, err := lockFolder(ctx, abs)
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return &output{dir: dir, unlock: unlock}, nil
}

func (o *output) close() error { return errors.Join(o.dir.Sweep(), o.unlock(), o.dir.Close()) }

// treeFolders are the folders of a tree.
var treeFolders = []string{"v1", recipesDir, entriesDir, bundlesDir, disk.Scratch}

// checkOwn refuses a folder with anything in it that a build does not make. It
// does not look at what is named by its hash: there may be very many of these.
func checkOwn(dir string) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("writing the catalogue: %w", err)
	}
	if !info.IsDir() {
		return fault.New(fault.Usage, "output %q is no folder", dir)
	}
	return fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("writing the catalogue: %w", err)
		case name == ".":
			return nil
		case e.IsDir() && slices.Contains(treeFolders, name):
			if name == "v1" {
				return nil
			}
			return fs.SkipDir
		case e.Type().IsRegular() && isTarget(name):
			return nil
		}
		return foreign(dir, name)
	})
}

func foreign(dir, name string) error {
	err := fault.New(fault.Usage, "output %q holds %q, which is no part of an unsigned catalogue", dir, name)
	return fault.Hint(err, "choose an empty folder: what does not belong to the catalogue is removed")
}

// read reads a file of the tree, counted.
func (o *output) read(name string, limit int64) ([]byte, error) {
	o.reads.Add(1)
	data, err := o.dir.Read(name, limit)
	if err != nil {
		return nil, fmt.Errorf("reading %s in %q: %w", name, o.dir.Name(), err)
	}
	return data, nil
}

// write puts a file in place, whole. It is not synced: nothing is published from
// here that Sign did not hash again.
func (o *output) write(name string, data []byte) error {
	o.writes.Add(1)
	if err := o.dir.Put(name, data); err != nil {
		return &outputError{fmt.Errorf("writing the catalogue: %w", err)}
	}
	return nil
}

// content writes a file that is named by its hash, unless it is there.
func (o *output) content(name string, data []byte) error {
	if o.dir.Exists(name) {
		return nil
	}
	return o.write(name, data)
}

func (o *output) remove(name string) error {
	o.removes.Add(1)
	if err := o.dir.Remove(name); err != nil {
		return &outputError{err}
	}
	return nil
}

// outputError is a failure to write: it ends the run, whatever was being read.
type outputError struct{ err error }

func (e *outputError) Error() string { return e.err.Error() }
func (e *outputError) Unwrap() error { return e.err }

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}
