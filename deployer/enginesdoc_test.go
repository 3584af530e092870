package deployer

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// enginesDoc is the table of features in docs/engines.md: a column of keys, one for
// each engine, and what galley says.
type enginesDoc struct {
	text  string
	lines []string // of the table, its head and rule among them
	apis  []string
	rows  map[string][]string // the engines' cells, by key
}

var enginesDocPath = filepath.Join("..", "docs", "engines.md")

const featuresHead = "| feature |"

func readEnginesDoc(t *testing.T) *enginesDoc {
	t.Helper()
	data, err := os.ReadFile(enginesDocPath)
	if err != nil {
		t.Fatal(err)
	}
	doc := &enginesDoc{text: string(data), rows: map[string][]string{}}
	start := strings.Index(doc.text, featuresHead)
	if start < 0 {
		t.Fatalf("%s has no table that begins with %q", enginesDocPath, featuresHead)
	}
	table, _, _ := strings.Cut(doc.text[start:], "\n\n")
	doc.lines = strings.Split(strings.TrimRight(table, "\n"), "\n")
	for _, cell := range tableCells(doc.lines[0])[1:] {
		if _, api, ok := strings.Cut(cell, "API "); ok {
			doc.apis = append(doc.apis, strings.TrimSuffix(api, ")"))
		}
	}
	for _, line := range doc.lines[2:] {
		cells := tableCells(line)
		doc.rows[cells[0]] = cells[1 : 1+len(doc.apis)]
	}
	return doc
}

func tableCells(line string) []string {
	cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	return cells
}

// column is the index of an API's cells, -1 when there is none.
func (d *enginesDoc) column(api string) int { return slices.Index(d.apis, api) }

// write rewrites the table with what was measured of one engine.
func (d *enginesDoc) write(t *testing.T, api string, measured map[string]string) {
	t.Helper()
	column := d.column(api)
	if column < 0 {
		t.Fatalf("%s has no column for API %s", enginesDocPath, api)
	}
	rows := slices.Clone(d.lines[:2])
	for _, f := range slices.Concat(features, networkFeatures) {
		cells := slices.Clone(d.rows[f.key])
		if cells == nil {
			cells = make([]string, len(d.apis))
		}
		cells[column] = measured[f.key]
		rows = append(rows, fmt.Sprintf("| %s | %s | %s |", f.key, strings.Join(cells, " | "), saysOf(cells)))
	}
	text := strings.Replace(d.text, strings.Join(d.lines, "\n"), strings.Join(rows, "\n"), 1)
	if err := os.WriteFile(enginesDocPath, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// saysOf is how galley tells what not every engine honours.
func saysOf(cells []string) string {
	says := ""
	for _, cell := range cells {
		switch {
		case cell == dropped, cell == neverMade:
			says = "the plan warns"
		case strings.HasPrefix(cell, refuses) && says == "":
			says = "the deploy fails with the engine's words, and puts back"
		}
	}
	return says
}

// TestSupportedAgreesWithTheTable holds what galley warns of against what engines
// were measured to do.
func TestSupportedAgreesWithTheTable(t *testing.T) {
	doc := readEnginesDoc(t)
	d := wantStack(t, strings.ReplaceAll(featuresFile(), "APP:1", "nginx:1.27"), "CONF_VERSION=v1\n", "1.0.0", "nginx:1.27")
	alone := func(i int, service bool) *Stack {
		one := &Stack{Name: d.Stack.Name, Services: map[string]Service{}, Networks: map[string]Network{}}
		if full := fmt.Sprintf("%s_f%d", d.Stack.Name, i); service {
			one.Services[full] = d.Stack.Services[full]
		} else {
			full = fmt.Sprintf("%s_n%d", d.Stack.Name, i)
			one.Networks[full] = d.Stack.Networks[full]
		}
		return one
	}
	for column, api := range doc.apis {
		check := func(f feature, one *Stack) {
			cells, ok := doc.rows[f.key]
			if !ok || cells[column] == "" {
				t.Errorf("%s: not in the table for API %s: measure it", f.key, api)
				return
			}
			want := cells[column] == dropped || cells[column] == neverMade
			if warnings := droppedWarnings(one, api); (len(warnings) == 1) != want || len(warnings) > 1 {
				t.Errorf("%s on API %s was measured as %q; galley warns %q", f.key, api, cells[column], warnings)
			}
		}
		for i, f := range features {
			check(f, alone(i, true))
		}
		for i, f := range networkFeatures {
			check(f, alone(i, false))
		}
	}
	// A key that galley says is dropped must be one that was measured.
	for _, f := range newFields {
		if _, ok := doc.rows[f.name]; !ok && olderAPI(doc.apis[0], f.api) {
			t.Errorf("galley says that engines before API %s drop %s, which the table does not have", f.api, f.name)
		}
	}
}
