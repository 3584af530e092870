package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/lint/report"
	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/rules"
)

func repositoryFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// example is the first block of linting.md that starts with what is given.
func example(t *testing.T, fence string) string {
	t.Helper()
	_, rest, ok := strings.Cut(repositoryFile(t, "docs/linting.md"), "```"+fence+"\n")
	block, _, closed := strings.Cut(rest, "\n```")
	if !ok || !closed {
		t.Fatalf("linting.md has no block %q", fence)
	}
	return block
}

func TestTheConfigurationInTheDocsIsOne(t *testing.T) {
	config, err := lint.ParseConfig(lint.ConfigName, []byte(example(t, "yaml .galley.yml")))
	if err != nil {
		t.Fatal(err)
	}
	if config.FailOn != "warning" || len(config.Settings.Registries) != 2 {
		t.Errorf("config = %+v, want what linting.md says", config)
	}
}

func TestTheIgnoreCommentsInTheDocsWork(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "compose.yml"), []byte(example(t, "yaml")), 0o644); err != nil {
		t.Fatal(err)
	}
	targets, _, err := lint.Load(t.Context(), []string{dir}, lint.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	result, err := lint.Run(t.Context(), targets, rules.All(), lint.Options{Ignores: true, Only: []string{"R002", "R004", "L001"}})
	if err != nil {
		t.Fatal(err)
	}
	var hidden []string
	for _, s := range result.Suppressed {
		hidden = append(hidden, s.Rule)
	}
	if !slices.Equal(hidden, []string{"R004", "R002"}) {
		t.Errorf("hidden = %v, want R004 and R002", hidden)
	}
	for _, f := range result.Findings {
		if f.Rule == "L001" {
			t.Errorf("%s: %s", f.Rule, f.Message)
		}
	}
}

func TestTheProblemMatcherReadsTheTextFormat(t *testing.T) {
	_, rest, _ := strings.Cut(repositoryFile(t, "docs/linting.md"), `"regexp": `)
	literal, _, _ := strings.Cut(rest, ",\n")
	var expression string
	if err := json.Unmarshal([]byte(literal), &expression); err != nil {
		t.Fatalf("%q: %v", literal, err)
	}
	var out strings.Builder
	result := &lint.Result{Findings: []lint.Finding{{
		Rule: "R004", Name: "unstable-tag", Severity: lint.Warning, Message: `"a: [b]" is bad`, File: "a b/compose.yml",
		Start: recipe.Position{Line: 3, Column: 14}, End: recipe.Position{Line: 3, Column: 15},
	}}}
	if err := report.Write(&out, result, report.Options{}); err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(out.String(), "\n")
	got := regexp.MustCompile(expression).FindStringSubmatch(line)
	want := []string{line, "a b/compose.yml", "3", "14", "warning", `"a: [b]" is bad`, "R004"}
	if !slices.Equal(got, want) {
		t.Errorf("%q gives %q, want %q", line, got, want)
	}
}

func TestLintingNamesEveryFormat(t *testing.T) {
	text := repositoryFile(t, "docs/linting.md")
	for _, format := range report.Formats() {
		if !strings.Contains(text, "| `"+format+"` |") {
			t.Errorf("linting.md does not tell of %q", format)
		}
	}
}

func TestHooksAndActionAreYAML(t *testing.T) {
	var hooks []struct{ ID, Entry, Files string }
	if err := yaml.Unmarshal([]byte(repositoryFile(t, ".pre-commit-hooks.yaml")), &hooks); err != nil {
		t.Fatal(err)
	}
	for _, hook := range hooks {
		files := regexp.MustCompile(hook.Files)
		for _, name := range []string{"compose.yml", "a/docker-compose.smtp.yaml", ".env.sample", "app/abra.sh", ".galley.yml", "nginx.conf.tmpl"} {
			if !files.MatchString(name) {
				t.Errorf("%s does not run for %s", hook.ID, name)
			}
		}
		if files.MatchString("main.go") || files.MatchString("decompose.yml") {
			t.Errorf("%s runs for files that are no recipe's", hook.ID)
		}
	}
	var action struct {
		Inputs map[string]struct{ Description string }
		Runs   struct{ Steps []struct{ Run string } }
	}
	if err := yaml.Unmarshal([]byte(repositoryFile(t, "action.yml")), &action); err != nil {
		t.Fatal(err)
	}
	if len(hooks) != 2 || len(action.Inputs) == 0 {
		t.Errorf("%d hooks and %d inputs were read", len(hooks), len(action.Inputs))
	}
	for _, step := range action.Runs.Steps {
		if strings.Contains(step.Run, "${{") {
			t.Errorf("an expression stands in a script, where its value would be run:\n%s", step.Run)
		}
	}
}
