package deployer

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

// AppWith is the app that a domain on a server would be with that text as its env file.
// Nothing is written: Save does. It refuses a stack that is another app's there.
func (d Dir) AppWith(server, domain string, env []byte) (App, error) {
	if len(env) > maxEnvFile {
		return App{}, fmt.Errorf("the env file of %q has %d bytes; expected at most %d", domain, len(env), maxEnvFile)
	}
	path := filepath.Join(d.servers(), server, domain+envSuffix)
	app := newApp(server, domain, recipe.ParseEnv(recipe.NewText(path, bytes.Clone(env))))
	options := NewOptions{Domain: domain, Server: server, Recipe: app.Recipe, Version: app.Version}
	if app.Recipe == "" {
		return App{}, fault.Hint(fmt.Errorf("the env file of %q: %w", domain, errNoRecipe), "it needs a line TYPE=<recipe>")
	}
	if err := options.check(); err != nil {
		return App{}, err
	}
	apps, _ := d.Apps()
	return app, checkStack(app, apps)
}

// Save writes the app's env file. One that stands there with another text is kept under
// the name that kept gives it, beside it. undo brings back what was there.
func (a App) Save(kept string) (undo func() error, err error) {
	before, err := os.ReadFile(a.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err = os.MkdirAll(filepath.Dir(a.Path), 0o700); err == nil {
			err = createFile(a.Path, a.Env.Bytes())
		}
		undo = func() error { return os.Remove(a.Path) }
	case err == nil && bytes.Equal(before, a.Env.Bytes()):
		return func() error { return nil }, nil
	case err == nil:
		if err = createFile(filepath.Join(filepath.Dir(a.Path), kept), before); err == nil || errors.Is(err, fs.ErrExist) {
			err = replaceFile(a.Path, a.Env.Bytes())
		}
		undo = func() error { return replaceFile(a.Path, before) }
	}
	if err != nil {
		return nil, fmt.Errorf("writing the env file: %w", err)
	}
	return undo, nil
}

// SaveName is a name beside the env file for what Save replaces: base, or the first one
// after it that is free. It is "" when Save replaces nothing, and made says that no env
// file stands.
func (a App) SaveName(base string) (kept string, made bool, err error) {
	before, err := os.ReadFile(a.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", true, nil
	case err != nil || bytes.Equal(before, a.Env.Bytes()):
		return "", false, err
	}
	for n := 1; ; n++ {
		kept = base
		if n > 1 {
			kept = fmt.Sprintf("%s.%d", base, n)
		}
		there, err := os.ReadFile(filepath.Join(filepath.Dir(a.Path), kept))
		if errors.Is(err, fs.ErrNotExist) || err == nil && bytes.Equal(there, before) {
			return kept, false, nil
		}
		if err != nil {
			return "", false, err
		}
	}
}

// Unsave brings back the env file that Save has kept under a name; with made, when none
// stood, it removes the one that stands. That there is nothing to bring back is no
// error: it may be in the folder of another operator, or be back already.
func (a App) Unsave(kept string, made bool) error {
	if made {
		if err := os.Remove(a.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if kept == "" {
		return nil
	}
	path := filepath.Join(filepath.Dir(a.Path), filepath.Base(kept))
	before, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = replaceFile(a.Path, before)
	}
	if err == nil {
		err = os.Remove(path)
	}
	if err != nil {
		return fmt.Errorf("bringing the env file back: %w", err)
	}
	return nil
}
