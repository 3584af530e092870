package lint

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/galley-coop/galley/recipe"
)

// unstable reports every image that ends in :latest, at its tag.
var unstable = Rule{ID: "R004", Name: "unstable-tag", Severity: Warning, Check: func(p *Pass) {
	for _, s := range p.Services() {
		image := s.Node.Get("image")
		if name, ok := strings.CutSuffix(image.Text(), ":latest"); ok {
			p.Reportf(image.Sub(len(name)+1, len(image.Text())), "%q is an unstable tag", "latest")
		}
	}
}}

// sample reports a missing sample env file.
var sample = Rule{ID: "R008", Name: "env-sample", Severity: Error, RecipeOnly: true, Check: func(p *Pass) {
	if p.Recipe.Sample == nil {
		p.Reportf(AtFile(recipe.SampleName), "there is no %s", recipe.SampleName)
	}
}}

// published can never look.
var published = Rule{ID: "R006", Name: "published", Severity: Warning, Check: func(p *Pass) { p.Skip("no catalogue") }}

// at is a rule that reports one range.
func at(r recipe.Range, options ...Option) Rule {
	return Rule{ID: "R001", Name: "here", Severity: Info, Check: func(p *Pass) { p.Report(r, "here", options...) }}
}

func span(file string, line, column, endLine, endColumn int) recipe.Range {
	return recipe.Range{File: file, Start: recipe.Position{Line: line, Column: column}, End: recipe.Position{Line: endLine, Column: endColumn}}
}

// tree writes files into a new folder and gives its path.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		full := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// target reads files as one recipe.
func target(t testing.TB, files map[string]string) Target {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, content := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(content)}
	}
	r, err := recipe.Load(fsys, recipe.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return Target{Path: "x", Dir: "x", Recipe: r}
}

// lintOne runs rules over one recipe of files and gives the findings.
func lintOne(t testing.TB, files map[string]string, rules ...Rule) []Finding {
	t.Helper()
	result, err := Run(context.Background(), []Target{target(t, files)}, rules, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return result.Findings
}

// only gives the one finding there is.
func only(t testing.TB, findings []Finding) Finding {
	t.Helper()
	if len(findings) != 1 {
		t.Fatalf("%d findings, want 1: %v", len(findings), findings)
	}
	return findings[0]
}

// load loads paths and fails the test on any error.
func load(t testing.TB, opts LoadOptions, paths ...string) []Target {
	t.Helper()
	targets, _, err := Load(context.Background(), paths, opts)
	if err != nil {
		t.Fatal(err)
	}
	return targets
}
