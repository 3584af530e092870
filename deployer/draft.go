package deployer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

// Draft is a private copy of an app's env file, for an editor. The file itself is
// written only by Keep, whole or not at all.
type Draft struct {
	Path   string // of the copy; its name ends as an env file's does, and lists leave it out
	app    App
	before []byte
}

// Edit makes a draft beside the env file. Only its owner can read it.
func (a App) Edit() (*Draft, error) {
	before, err := os.ReadFile(a.Path)
	if err != nil {
		return nil, fmt.Errorf("reading the env file: %w", err)
	}
	target, err := filepath.EvalSymlinks(a.Path)
	if err != nil {
		return nil, fmt.Errorf("reading the env file: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(target), ".galley-*"+envSuffix) // 0600
	if err != nil {
		err = fmt.Errorf("copying the env file: %w", err)
		return nil, fault.Hint(err, "let galley write to the env file's folder")
	}
	_, err = f.Write(before)
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name())
		return nil, fmt.Errorf("copying the env file: %w", err)
	}
	return &Draft{Path: f.Name(), app: a, before: before}, nil
}

// App is the app as the draft has it now, with the path of the real file.
func (d *Draft) App() (App, error) {
	data, err := d.read()
	if err != nil {
		return App{}, err
	}
	return newApp(d.app.Server, d.app.Domain, recipe.ParseEnv(recipe.NewText(d.app.Path, data))), nil
}

func (d *Draft) read() ([]byte, error) {
	data, err := os.ReadFile(d.Path)
	if err == nil && len(data) > maxEnvFile {
		err = fmt.Errorf("it has %d bytes; expected at most %d", len(data), maxEnvFile)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the edited copy: %w", err)
	}
	return data, nil
}

// Changed tells whether the draft differs from the file it was made from.
func (d *Draft) Changed() (bool, error) {
	now, err := os.ReadFile(d.Path)
	return !bytes.Equal(now, d.before), err
}

// Stale tells whether somebody else changed the env file since the draft was made.
func (d *Draft) Stale() (bool, error) {
	now, err := os.ReadFile(d.app.Path)
	return !bytes.Equal(now, d.before), err
}

// Keep puts the draft in the env file's place, whose mode and owner stay.
func (d *Draft) Keep() error {
	data, err := d.read()
	if err != nil {
		return err
	}
	if err := replaceFile(d.app.Path, data); err != nil {
		return fmt.Errorf("writing the env file: %w", err)
	}
	return d.Discard()
}

// Discard removes the copy.
func (d *Draft) Discard() error {
	if err := os.Remove(d.Path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing the draft: %w", err)
	}
	return nil
}
