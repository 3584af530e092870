package rules

import (
	"context"
	"testing"
	"testing/fstest"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

// FuzzRules lets arbitrary bytes through all rules: none panics, and every
// finding stands in a file that is there, or at the start of one that is missing.
func FuzzRules(f *testing.F) {
	base := baseRecipe(f)
	text := func(name string) string { return string(base[name].Data) }
	f.Add(text("compose.yml"), text("compose.smtp.yml"), text(".env.sample"), text("abra.sh"), text("README.md"))
	f.Add("", "", "", "", "")
	f.Add("services:\n  app: &a\n    image: ${A:-${B:-x:latest}}@sha256:1\n    <<: *a\n", "services: [*b]", "A='", "export A=$(", "<!-- metadata -->\n* **Image**: [`")
	f.Add("version: \"\\x41\"\nservices: {app: {image: \"a:\\u00e9\", healthcheck: {disable: .nan}}}", "? [a]\n: b", "\ufeffDOMAIN=é", "A_VERSION+=1", "* **Status**: ?")
	f.Add("configs:\n  a:\n    name: |\n      x_${A_VERSION}\n", "services:\n  app:\n    ports: !reset\n    image: >-\n      a:\n      latest", "COMPOSE_FILE=../x:compose.a.yml", "", "")
	past := parseFacts(f, "annotated: 1.0.0+1, 1.1.0+1.27.3\nlightweight: 1.1\npublished: 1.0.0+1\nsilent: https://a.org")
	past.trees = map[string]fstest.MapFS{"1.0.0+1": base, "1.1.0+1.27.3": base}
	world := past.world()
	f.Fuzz(func(t *testing.T, compose, overlay, sample, script, readme string) {
		files := fstest.MapFS{
			"compose.yml": {Data: []byte(compose)}, "compose.a.yml": {Data: []byte(overlay)},
			".env.sample": {Data: []byte(sample)}, "abra.sh": {Data: []byte(script)}, "README.md": {Data: []byte(readme)},
		}
		r, err := recipe.Load(files, recipe.Options{})
		if err != nil {
			t.Fatal(err)
		}
		result, err := lint.Run(context.Background(), []lint.Target{{Path: ".", Recipe: r, World: world}}, All(), lint.Options{Ignores: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, finding := range result.Findings {
			checkPlace(t, files, finding)
		}
	})
}

// wholeFile are the rules that find something about a file as such. Another
// rule's finding that ends at the first column lost its place on the way.
var wholeFile = map[string]bool{"R001": true, "R006": true, "R007": true, "R008": true, "R009": true, "R010": true, "R014": true, "R111": true, "R112": true, "R113": true, "R118": true, "R137": true, "R153": true, "S201": true}

func checkPlace(t *testing.T, files fstest.MapFS, f lint.Finding) {
	t.Helper()
	if whole := (recipe.Position{Line: 1, Column: 1}); f.Start == whole && f.End == whole && !wholeFile[f.Rule] {
		t.Errorf("%s has no place: %s", f.Rule, f.Message)
	}
	text := recipe.NewText(f.File, nil)
	if file, ok := files[f.File]; ok {
		text = recipe.NewText(f.File, file.Data)
	}
	for _, p := range []recipe.Position{f.Start, f.End} {
		if p.Column < 1 || text.Offset(p) < 0 || f.End.Line < f.Start.Line || f.End.Line == f.Start.Line && f.End.Column < f.Start.Column {
			t.Errorf("%s at %v to %v in %q: %s", f.Rule, f.Start, f.End, f.File, f.Message)
		}
	}
	for _, c := range f.Message {
		if c == '\n' || c == '\r' {
			t.Errorf("%s says more than a line: %q", f.Rule, f.Message)
		}
	}
}
