package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/rules"
)

var update = flag.Bool("update", false, "write docs/rules.md anew")

func TestRulesDocIsFresh(t *testing.T) {
	var out bytes.Buffer
	write(&out, rules.All())
	name := filepath.Join("..", "..", "docs", "rules.md")
	if *update {
		if err := os.WriteFile(name, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, out.Bytes()) {
		t.Error("docs/rules.md is stale: run go run ./internal/rulesdoc > docs/rules.md")
	}
}

func TestEveryRuleIsInOneFamily(t *testing.T) {
	for _, r := range rules.All() {
		n := 0
		for _, f := range families {
			if strings.HasPrefix(r.ID, f.prefix) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s is in %d families, want 1", r.ID, n)
		}
	}
}

func TestTablesNameRulesThatThereAre(t *testing.T) {
	for _, table := range tables {
		for _, row := range table.rows {
			for _, id := range row.ids() {
				if _, ok := rules.Lookup(id); !ok && id != "D5xx" {
					t.Errorf("%s, %s: there is no rule %s", table.title, row.what, id)
				}
			}
			if row.rules == "" && row.note == "" {
				t.Errorf("%s, %s has neither a rule nor a reason", table.title, row.what)
			}
		}
	}
}

func TestTheKnownRulesAreThere(t *testing.T) {
	if len(known.rows) != 16 {
		t.Errorf("%d known rules, want 16", len(known.rows))
	}
	for _, row := range known.rows {
		if !slices.Contains(row.ids(), row.what) {
			t.Errorf("%s is not mapped to itself", row.what)
		}
	}
}

// TestWhatOthersFindGalleyFinds runs every rule over the rows' files.
func TestWhatOthersFindGalleyFinds(t *testing.T) {
	tried := 0
	for _, table := range tables {
		for _, row := range table.rows {
			text := row.file
			if row.try != "" {
				text = "version: \"3.8\"\nservices:\n  app:\n    image: nginx:1.27.0\n    " + row.try + "\n"
			}
			if text == "" {
				continue
			}
			tried++
			t.Run(table.title+"/"+row.what, func(t *testing.T) {
				found := findings(t, text)
				if !slices.ContainsFunc(row.ids(), func(id string) bool { return slices.Contains(found, id) }) {
					t.Errorf("none of %s in:\n%s\nfound %v", row.rules, text, found)
				}
			})
		}
	}
	if tried < 40 {
		t.Errorf("%d rows were tried only", tried)
	}
}

// findings are the rules that find something in a compose file, the conventions
// of recipes among them.
func findings(t *testing.T, compose string) []string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "compose.yml"), []byte(compose), 0o644); err != nil {
		t.Fatal(err)
	}
	targets, _, err := lint.Load(t.Context(), []string{dir}, lint.LoadOptions{As: lint.AsRecipe})
	if err != nil {
		t.Fatal(err)
	}
	result, err := lint.Run(t.Context(), targets, rules.All(), lint.Options{Enable: []string{"R", "S", "C", "I"}})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, f := range result.Findings {
		ids = append(ids, f.Rule)
	}
	return ids
}
