package rules

import (
	"context"
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
)

// example is what a page lays over the base recipe.
type example struct {
	laid
	earlier map[string]*laid // by version
	facts   facts
}

// laid are files that are laid over the base recipe's, those that are changed,
// and those taken away.
type laid struct {
	files   map[string]string
	changes map[string]string // diffs, by path
	removed []string
}

func newLaid() laid { return laid{files: map[string]string{}, changes: map[string]string{}} }

var fence = regexp.MustCompile("(?ms)^```([a-z]+)(?: ([^\n]+))?\n(.*?)^```$")

// parseExample reads the fenced blocks of one section of a page: a file's
// language and path, "diff" and the path of a file of the base, "removed" and a
// path, or "facts". A path of the form "version@path" is a file of that version,
// which the facts must name.
func parseExample(t *testing.T, section string) example {
	t.Helper()
	e := example{laid: newLaid(), earlier: map[string]*laid{}}
	for _, block := range fence.FindAllStringSubmatch(section, -1) {
		language, name, text := block[1], block[2], block[3]
		to := &e.laid
		if version, path, ok := strings.Cut(name, "@"); ok {
			if e.earlier[version] == nil {
				files := newLaid()
				e.earlier[version] = &files
			}
			to, name = e.earlier[version], path
		}
		switch {
		case language == "facts":
			e.facts = parseFacts(t, text)
		case language == "removed":
			to.removed = append(to.removed, name)
		case name == "":
			t.Fatalf("a block of %s names no file", language)
		case language == "diff":
			to.changes[name] = text
		default:
			to.files[name] = text
		}
	}
	return e
}

// world is what the example's facts say; a version that it states no files of has
// the base recipe's.
func (e example) world(t *testing.T, base fstest.MapFS) lint.World {
	t.Helper()
	f := e.facts
	f.trees = map[string]fstest.MapFS{}
	for _, v := range f.versions {
		f.trees[v.Commit] = base
	}
	for version, files := range e.earlier {
		if f.trees[version] == nil {
			t.Errorf("files of version %q, which no fact names", version)
		}
		f.trees[version] = files.over(t, base)
	}
	return f.world()
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

func (l laid) over(t *testing.T, base fstest.MapFS) fstest.MapFS {
	t.Helper()
	files := maps.Clone(base)
	for name, text := range l.files {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	for name, diff := range l.changes {
		if base[name] == nil {
			t.Fatalf("a diff of %q, which the base recipe does not have", name)
		}
		files[name] = &fstest.MapFile{Data: []byte(patch(t, string(base[name].Data), diff))}
	}
	for _, name := range l.removed {
		delete(files, name)
	}
	return files
}

// patch applies a diff without line numbers: hunks, divided by lines "@@", of
// lines that start with " ", "-" or "+". What a hunk expects must stand in the
// text once.
func patch(t *testing.T, text, diff string) string {
	t.Helper()
	for _, hunk := range strings.Split(diff, "@@\n") {
		var before, after strings.Builder
		for line := range strings.Lines(hunk) {
			switch {
			case strings.HasPrefix(line, "-"):
				before.WriteString(line[1:])
			case strings.HasPrefix(line, "+"):
				after.WriteString(line[1:])
			default:
				before.WriteString(strings.TrimPrefix(line, " "))
				after.WriteString(strings.TrimPrefix(line, " "))
			}
		}
		text = "\n" + text
		if n := strings.Count(text, "\n"+before.String()); n != 1 {
			t.Fatalf("the lines\n%sstand in the base %d times; expected once", before.String(), n)
		}
		text = strings.Replace(text, "\n"+before.String(), "\n"+after.String(), 1)[1:]
	}
	return text
}

// run lints files as a recipe with all rules.
func run(t testing.TB, files fs.FS, world lint.World, opts lint.Options) *lint.Result {
	t.Helper()
	opts.Ignores = true
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
