package lint

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

// Write puts the changes on disk, each file whole and in one step, its mode kept.
// A link is followed as far as the folder that was given, and what it leads to
// is changed. When a file is not any more what was linted, nothing is written.
func (r *FixReport) Write() (err error) {
	var staged []*stagedFile
	defer func() {
		for _, s := range staged {
			err = errors.Join(err, s.close())
		}
	}()
	for _, c := range r.Changes {
		s, err := stage(c)
		if err != nil {
			return fault.Hint(fmt.Errorf("writing %q: %w", c.Path, err), "nothing was changed")
		}
		staged = append(staged, s)
	}
	for i, s := range staged {
		if err := s.commit(); err != nil {
			return fault.Hint(fmt.Errorf("writing %q: %w", r.Changes[i].Path, err), "%d of %d files were written before", i, len(staged))
		}
	}
	return nil
}

// stagedFile is a change that lies beside its file, under another name.
type stagedFile struct {
	root       *os.Root
	name, temp string // temp is "" when there is nothing left to do or to remove
}

// stage writes the new content beside the file and makes sure of the old one.
func stage(c FileChange) (*stagedFile, error) {
	if c.root == "" {
		return nil, errors.New("it is not on disk")
	}
	root, err := os.OpenRoot(c.root)
	if err != nil {
		return nil, err
	}
	s := &stagedFile{root: root}
	if err := s.fill(c); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *stagedFile) fill(c FileChange) error {
	var err error
	if s.name, err = followed(c.root, c.name); err != nil {
		return err
	}
	info, err := s.root.Stat(s.name)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("it is not a regular file")
	}
	now, err := s.read()
	switch {
	case err != nil:
		return err
	case bytes.Equal(now, c.After):
		return nil // another name of a file that was written before
	case !bytes.Equal(now, c.Before):
		return errors.New("it has changed since it was linted")
	}
	temp := path.Join(path.Dir(s.name), ".galley-"+rand.Text()+".tmp")
	f, err := s.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	s.temp = temp
	_, err = f.Write(c.After)
	err = errors.Join(err, f.Chmod(info.Mode().Perm()), f.Sync(), f.Close())
	return err
}

func (s *stagedFile) read() ([]byte, error) {
	f, err := s.root.Open(s.name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, recipe.MaxFileSize+1))
}

func (s *stagedFile) commit() error {
	if s.temp == "" {
		return nil
	}
	if err := s.root.Rename(s.temp, s.name); err != nil {
		return err
	}
	s.temp = ""
	return nil
}

// close removes what was staged and not committed.
func (s *stagedFile) close() error {
	var err error
	if s.temp != "" {
		if err = s.root.Remove(s.temp); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	return errors.Join(err, s.root.Close())
}

// followed is where a path of a folder leads, links followed, as a path of the
// folder without any. One that leads out of it is refused.
func followed(root, name string) (string, error) {
	top, err := filepath.EvalSymlinks(root)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(filepath.Join(top, filepath.FromSlash(name)))
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(top, real)
	if err != nil || !filepath.IsLocal(rel) {
		return "", fault.New(fault.Refused, "it leads out of %q", root)
	}
	return filepath.ToSlash(rel), nil
}
