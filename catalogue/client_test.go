package catalogue

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/lint"
)

// Client answers what rules ask of a published catalogue.
var _ lint.Catalogue = (*Client)(nil)

func TestClientReadsTheSameFromFolderAndWeb(t *testing.T) {
	w := published(t)
	type answer struct {
		Index   *Index
		Recipe  *Recipe
		Entry   *Entry
		Compose string
		Info    Info
	}
	var answers []answer
	for _, location := range []string{w.path("public"), serve(t, w.path("public")) + "/"} {
		c, err := w.open(location, ClientOptions{StateDir: w.path("state")})
		must(t, err)
		a := answer{Info: c.Info()}
		a.Index, err = c.Index(t.Context())
		must(t, err)
		a.Recipe, a.Entry, err = c.Entry(t.Context(), "web", "")
		must(t, err)
		files, err := c.Bundle(t.Context(), a.Entry)
		must(t, err)
		data, err := fs.ReadFile(files, "compose.yml")
		must(t, err)
		a.Compose = string(data)
		if want := strings.TrimSuffix(location, "/"); a.Info.Location != want || !a.Info.FirstUse {
			t.Errorf("info %+v, expected location %q and first use", a.Info, want)
		}
		a.Info.Location = ""
		answers = append(answers, a)
	}
	if diff := cmp.Diff(answers[0], answers[1]); diff != "" {
		t.Error(diff)
	}
	a := answers[0]
	if a.Entry.Version != "1.1.0+1.1" || a.Compose != compose("1.1") || len(a.Index.Recipes) != 2 || a.Recipe.Name != "web" {
		t.Errorf("answer is wrong: %+v", a)
	}
	if a.Info.Timestamp.Version != 1 || !a.Info.Timestamp.Expires.Equal(start.Add(14*24*time.Hour)) || len(a.Info.Fingerprint) != 64 {
		t.Errorf("info is wrong: %+v", a.Info)
	}
}

func TestClientVersions(t *testing.T) {
	w := published(t)
	c, err := w.open(w.path("public"), ClientOptions{})
	must(t, err)
	got, err := c.Versions(t.Context(), "web")
	must(t, err)
	if diff := cmp.Diff([]string{"1.0.0+1.0", "1.1.0+1.1"}, got); diff != "" {
		t.Error(diff)
	}
	if got, err := c.Versions(t.Context(), "other"); err != nil || len(got) > 0 {
		t.Errorf("versions of a recipe that is not there: %q, %v", got, err)
	}
}

func TestClientSuggests(t *testing.T) {
	w := published(t)
	c, err := w.open(w.path("public"), ClientOptions{})
	must(t, err)
	tests := []struct {
		recipe, version, want, hint string
		kind                        fault.Kind
	}{
		{"wbe", "", `recipe "wbe" is not in the catalogue`, "did you mean web?", fault.Unavailable},
		{"something-else", "", `recipe "something-else"`, "galley catalogue search lists what it has", fault.Unavailable},
		{"web", "1.1.0+1.2", `version "1.1.0+1.2" of recipe "web"`, "did you mean 1.1.0+1.1, 1.0.0+1.0?", fault.Unavailable},
		{"web", "x", `version "x"`, "the newest are 1.1.0+1.1, 1.0.0+1.0", fault.Unavailable},
		{"../index", "", `recipe name "../index"`, "", fault.Usage},
	}
	for _, tt := range tests {
		_, _, err := c.Entry(t.Context(), tt.recipe, tt.version)
		wants(t, err, tt.kind, tt.want)
		if fault.HintOf(err) != tt.hint {
			t.Errorf("%s@%s: hint %q, expected %q", tt.recipe, tt.version, fault.HintOf(err), tt.hint)
		}
		if errors.Is(err, ErrNotPublished) != (tt.kind == fault.Unavailable) {
			t.Errorf("%s@%s: %v", tt.recipe, tt.version, err)
		}
	}
}

func TestClientKeepsItsStatePrivate(t *testing.T) {
	w := published(t)
	state := w.path("state")
	for range 2 {
		_, err := w.open(w.path("public"), ClientOptions{StateDir: state})
		must(t, err)
	}
	err := filepath.WalkDir(state, func(name string, e fs.DirEntry, err error) error {
		must(t, err)
		info, err := e.Info()
		must(t, err)
		if mode := info.Mode().Perm(); mode&0o077 != 0 {
			t.Errorf("%s has mode %o", name, mode)
		}
		return nil
	})
	must(t, err)
	c, err := w.open(w.path("public"), ClientOptions{StateDir: state})
	must(t, err)
	if c.Info().FirstUse {
		t.Error("a third use is reported as the first")
	}
}
