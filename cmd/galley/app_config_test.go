package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

const configEnv = "TYPE=web\nDOMAIN=web.example.org\nNAME=one\n"

// configApp is an app with an env file of its own.
func configApp(t *testing.T) (*appCmd, string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "servers", "default", "web.example.org.env")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(configEnv), 0o600); err != nil {
		t.Fatal(err)
	}
	return &appCmd{Dir: dir}, path
}

func TestAppConfigEdits(t *testing.T) {
	apps, path := configApp(t)
	run := func(editor, answers string) (said string, err error) {
		t.Setenv("VISUAL", "")
		t.Setenv("EDITOR", editor)
		var out, stderr bytes.Buffer
		s := &streams{in: strings.NewReader(answers), out: &out, err: &stderr, ask: true}
		err = (&appConfigCmd{oneApp: oneApp{Domain: "web.example.org"}}).Run(t.Context(), s, &cli{}, apps)
		return out.String() + stderr.String(), err
	}
	is := func(want string) {
		t.Helper()
		data, err := os.ReadFile(path)
		if err != nil || string(data) != want {
			t.Errorf("the env file is %q (%v), want %q", data, err, want)
		}
		if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
			t.Errorf("left: %v (%v)", left, err)
		}
	}
	if said, err := run("true", ""); err != nil || !strings.Contains(said, "nothing was changed") {
		t.Errorf("an editor that does nothing: %v, %q", err, said)
	}
	if _, err := run("false", ""); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("an editor that fails: %v", err)
	}
	if _, err := run("", ""); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "no editor") {
		t.Errorf("no editor: %v", err)
	}
	is(configEnv)
	said, err := run("sed -i s/one/two/", "")
	if err != nil || !strings.Contains(said, "the result cannot be checked") || !strings.Contains(said, "is changed") {
		t.Errorf("%v, %q", err, said)
	}
	is(strings.Replace(configEnv, "one", "two", 1))
}

func TestAppConfigChecksOnSave(t *testing.T) {
	r, err := recipe.Load(fstest.MapFS{
		"compose.yml": {Data: []byte("services:\n  app:\n    image: web:1\n    environment: [NAME]\n")},
		".env.sample": {Data: []byte("TYPE=web\nDOMAIN=web.example.com\nNAME=x\n")},
	}, recipe.Options{})
	if err != nil {
		t.Fatal(err)
	}
	read := &readEntry{recipe: r, entry: &catalogue.Entry{
		Recipe: "web", Version: "1.0.0+1",
		Images: []catalogue.Image{{Reference: "docker.io/library/web:1", Digest: "sha256:" + strings.Repeat("a", 64)}},
	}}
	for name, c := range map[string]struct {
		edits   []string // what each run of the editor writes
		answers string
		stale   bool
		keep    bool
		said    string
	}{
		"right":              {[]string{configEnv + "# more\n"}, "", false, true, ""},
		"wrong, then right":  {[]string{configEnv + "oops\n", configEnv + "# more\n"}, "e\n", false, true, `env:4:1: "oops" is no declaration`},
		"wrong, and kept":    {[]string{configEnv + "oops\n"}, "what?\nKeep\n", false, true, "[e]dit again, [k]eep it, [d]rop it? [e]dit"},
		"wrong, and dropped": {[]string{configEnv + "oops\n"}, "d\n", false, false, "the env file is as it was"},
		"wrong, no answer":   {[]string{configEnv + "oops\n"}, "", false, false, "the env file is as it was"},
		"another recipe":     {[]string{strings.Replace(configEnv, "TYPE=web", "TYPE=blog", 1)}, "d\n", false, false, `TYPE names the recipe "blog"; it was "web"`},
		"a missing variable": {[]string{strings.Replace(configEnv, "NAME=one\n", "", 1)}, "d\n", false, false, "NAME is missing"},
		"a typing mistake":   {[]string{configEnv + "NAMES=x\n"}, "", false, true, "NAMES is not known to the recipe; did you mean NAME?"},
		"changed meanwhile":  {[]string{configEnv + "# more\n"}, "d\n", true, false, "somebody else changed the env file meanwhile"},
	} {
		apps, path := configApp(t)
		app, err := apps.find(oneApp{Domain: "web.example.org"})
		if err != nil {
			t.Fatal(err)
		}
		draft, err := app.Edit()
		if err != nil {
			t.Fatal(err)
		}
		var stderr bytes.Buffer
		s := &streams{in: strings.NewReader(c.answers), out: &stderr, err: &stderr, ask: true}
		edits := c.edits
		keep, err := s.editUntil(t.Context(), draft, read, func() error {
			if len(edits) == 0 {
				t.Fatalf("%s: the editor is run once more", name)
			}
			if err := os.WriteFile(draft.Path, []byte(edits[0]), 0o600); err != nil {
				return err
			}
			edits = edits[1:]
			if c.stale {
				return os.WriteFile(path, []byte("TYPE=web\n"), 0o600)
			}
			return nil
		})
		if err != nil || keep != c.keep || len(edits) > 0 || !strings.Contains(stderr.String(), c.said) {
			t.Errorf("%s: kept %v (%v), %d edits left, said %q", name, keep, err, len(edits), stderr.String())
		}
	}
}
