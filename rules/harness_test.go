package rules

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/recipe/source"
)

// facts is a World as an example states it: what git, the catalogue and the
// network would answer.
type facts struct {
	versions    []source.Version
	published   []string
	silent      []string
	history     bool
	catalogue   bool
	upstream    bool
	unreachable error // what every question ends with, when set
}

func (f facts) world() lint.World {
	var w lint.World
	if f.history {
		w.History = historyFacts{f}
	}
	if f.catalogue {
		w.Catalogue = catalogueFacts{f}
	}
	if f.upstream {
		w.Upstream = upstreamFacts{f}
	}
	return w
}

type historyFacts struct{ facts }

func (h historyFacts) Versions(context.Context) ([]source.Version, error) {
	return h.versions, h.unreachable
}

type catalogueFacts struct{ facts }

func (c catalogueFacts) Versions(context.Context, string) ([]string, error) {
	return c.published, c.unreachable
}

type upstreamFacts struct{ facts }

func (u upstreamFacts) Reachable(_ context.Context, url string) error {
	for _, silent := range u.silent {
		if silent == url {
			return errors.New("no such host")
		}
	}
	return nil
}

// parseFacts reads lines of "what: a, b".
func parseFacts(t testing.TB, text string) facts {
	t.Helper()
	var f facts
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		what, list, _ := strings.Cut(line, ":")
		var items []string
		for _, item := range strings.Split(list, ",") {
			if item = strings.TrimSpace(item); item != "" {
				items = append(items, item)
			}
		}
		switch what {
		case "annotated", "lightweight":
			f.history = true
			for _, name := range items {
				v := source.Version{Name: name, Annotated: what == "annotated"}
				v.Parsed, _ = recipe.ParseVersion(name)
				f.versions = append(f.versions, v)
			}
		case "published":
			f.catalogue, f.published = true, items
		case "silent", "answers":
			f.upstream = true
			if what == "silent" {
				f.silent = items
			}
		default:
			t.Fatalf("no fact is called %q", what)
		}
	}
	return f
}

// example is what a page lays over the base recipe.
type example struct {
	files   map[string]string
	removed []string
	facts   facts
}

var fence = regexp.MustCompile("(?ms)^```([a-z]+)(?: ([^\n]+))?\n(.*?)^```$")

// parseExample reads the fenced blocks of one section of a page: a file's
// language and path, "removed" and a path, or "facts".
func parseExample(t *testing.T, section string) example {
	t.Helper()
	e := example{files: map[string]string{}}
	for _, block := range fence.FindAllStringSubmatch(section, -1) {
		switch language, name, text := block[1], block[2], block[3]; {
		case language == "facts":
			e.facts = parseFacts(t, text)
		case language == "removed":
			e.removed = append(e.removed, name)
		case name == "":
			t.Fatalf("a block of %s names no file", language)
		default:
			e.files[name] = text
		}
	}
	return e
}

// sections cuts a page at its "## " headings.
func sections(page string) map[string]string {
	found := map[string]string{}
	for _, part := range strings.Split(page, "\n## ")[1:] {
		title, text, _ := strings.Cut(part, "\n")
		found[title] = strings.TrimSpace(text)
	}
	return found
}

// baseRecipe is the clean recipe of testdata/base.
func baseRecipe(t testing.TB) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	base := os.DirFS("testdata/base")
	err := fs.WalkDir(base, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := fs.ReadFile(base, name)
		files[name] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatalf("reading the base recipe: %v", err)
	}
	return files
}

func (e example) over(base fstest.MapFS) fstest.MapFS {
	files := maps.Clone(base)
	for name, text := range e.files {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	for _, name := range e.removed {
		delete(files, name)
	}
	return files
}

// run lints files as a recipe with all rules.
func run(t testing.TB, files fs.FS, world lint.World, opts lint.Options) *lint.Result {
	t.Helper()
	r, err := recipe.Load(files, recipe.Options{})
	if err != nil {
		t.Fatalf("loading the recipe: %v", err)
	}
	result, err := lint.Run(context.Background(), []lint.Target{{Path: "pages", Recipe: r, World: world}}, All(), opts)
	if err != nil {
		t.Fatalf("linting: %v", err)
	}
	return result
}

// lines are findings as "compose.yml:3:5-9 message", the end's line left out when
// it is the start's.
func lines(findings []lint.Finding) []string {
	var found []string
	for _, f := range findings {
		end := fmt.Sprint(f.End.Column)
		if f.End.Line != f.Start.Line {
			end = fmt.Sprintf("%d:%d", f.End.Line, f.End.Column)
		}
		found = append(found, fmt.Sprintf("%s:%d:%d-%s %s", f.File, f.Start.Line, f.Start.Column, end, f.Message))
	}
	return found
}

// found runs one rule over files given as path and text by turns, and gives its
// findings as lines.
func found(t *testing.T, rule string, files ...string) []string {
	t.Helper()
	tree := fstest.MapFS{}
	for i := 0; i+1 < len(files); i += 2 {
		tree[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return lines(run(t, tree, lint.World{}, lint.Options{Only: []string{rule}}).Findings)
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("found\n\t%s\nexpected\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}
