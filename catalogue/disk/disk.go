// Package disk is a folder of the catalogue on disk: bounded reads, a listing,
// and writes that are whole or not there.
//
// It refuses to leave its folder: every name goes through os.Root, so no link
// and no ".." leads out, and only regular files are read.
package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strconv"
	"syscall"
)

// Scratch is the folder that holds files while they are written. What is in it
// was left by a run that was killed.
const Scratch = ".galley-tmp"

// ErrTooLarge means that a file is larger than its reader takes.
var ErrTooLarge = errors.New("larger than expected")

// Dir is an open folder. It may be used from any goroutine.
type Dir struct {
	root *os.Root
	name string
}

// Open opens an existing folder.
func Open(name string) (*Dir, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return &Dir{root, name}, nil
}

// Create opens a folder and makes it, and those above it, when they are not there.
func Create(name string) (*Dir, error) {
	if err := os.MkdirAll(name, 0o755); err != nil {
		return nil, err
	}
	return Open(name)
}

// Name is the folder as it was opened.
func (d *Dir) Name() string { return d.name }

// Close closes the folder.
func (d *Dir) Close() error { return d.root.Close() }

// Read reads a regular file of at most limit bytes. The error is fs.ErrNotExist
// for one that is not there and ErrTooLarge for a larger one.
func (d *Dir) Read(name string, limit int64) ([]byte, error) {
	if !fs.ValidPath(name) {
		return nil, fmt.Errorf("%q is no path in a catalogue", name)
	}
	info, err := d.root.Stat(name)
	if errors.Is(err, syscall.ENOTDIR) {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, cause(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, cause(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, cause(err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	}
	return data, nil
}

// File is one entry of a listing that is no folder.
type File struct {
	Name    string // slash-separated, relative to the Dir
	Regular bool   // false for links, pipes and the like
}

// List names all files, sorted, those in Scratch too. More than limit are an error.
func (d *Dir) List(limit int) ([]File, error) {
	var files []File
	err := fs.WalkDir(d.root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if len(files) >= limit {
			return fmt.Errorf("more than %d files", limit)
		}
		files = append(files, File{name, e.Type().IsRegular()})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing %q: %w", d.name, err)
	}
	slices.SortFunc(files, func(a, b File) int { return compareNames(a.Name, b.Name) })
	return files, nil
}

func compareNames(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Exists tells whether a regular file of that name is there.
func (d *Dir) Exists(name string) bool {
	info, err := d.root.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// Write makes name hold data: a reader sees the old file or the new one, whole,
// and after Write returned the new one survives a power cut once Sync was called
// for its folder.
func (d *Dir) Write(name string, data []byte) error { return d.replace(name, data, true) }

// Put is Write for what can be made again: it survives a kill, not a power cut.
func (d *Dir) Put(name string, data []byte) error { return d.replace(name, data, false) }

func (d *Dir) replace(name string, data []byte, durable bool) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing %q in %q: %w", name, d.name, cause(err))
		}
	}()
	for _, folder := range []string{path.Dir(name), Scratch} {
		if err := d.folder(folder); err != nil {
			return err
		}
	}
	temp := path.Join(Scratch, strconv.FormatUint(rand.Uint64(), 36))
	if err := d.writeTemp(temp, data, durable); err != nil {
		return errors.Join(err, d.remove(temp))
	}
	if err := d.root.Rename(temp, name); err != nil {
		return errors.Join(err, d.remove(temp))
	}
	return nil
}

// folder makes a folder that is not there.
func (d *Dir) folder(name string) error {
	if info, err := d.root.Lstat(name); err == nil && info.IsDir() {
		return nil
	}
	return d.root.MkdirAll(name, 0o755)
}

func (d *Dir) writeTemp(temp string, data []byte, durable bool) (err error) {
	f, err := d.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if !durable {
		return nil
	}
	return f.Sync()
}

func (d *Dir) remove(name string) error {
	if err := d.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Remove removes a file; one that is not there is no error.
func (d *Dir) Remove(name string) error {
	if err := d.remove(name); err != nil {
		return fmt.Errorf("removing %q from %q: %w", name, d.name, cause(err))
	}
	return nil
}

// Sync makes the names in a folder survive a power cut. One that is not there is
// no error.
func (d *Dir) Sync(folder string) (err error) {
	f, err := d.root.Open(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("syncing %q in %q: %w", folder, d.name, cause(err))
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("syncing %q in %q: %w", folder, d.name, cause(err))
	}
	return nil
}

// Sweep removes the Scratch folder with what a killed run left there.
func (d *Dir) Sweep() error {
	if err := d.root.RemoveAll(Scratch); err != nil {
		return fmt.Errorf("removing %q from %q: %w", Scratch, d.name, cause(err))
	}
	return nil
}

// cause drops what an *fs.PathError repeats: names are added by who knows which
// one the user gave.
func cause(err error) error {
	var of *fs.PathError
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}
