package deployer

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// verdictTable is the table of docs/verdicts.md. A row is the case's name, what
// happens, galley's two cells and the docker CLI's two.
type verdictTable struct {
	head, tail string // the text before and after
	mu         sync.Mutex
	rows       map[string][]string // by the case's name, columns cells each
	order      []string
}

// Where the columns of a row begin, and how many it has.
const (
	galleyColumn = 2
	dockerColumn = 4
	columns      = 6
)

const (
	tableBegin = "<!-- cases -->\n"
	tableEnd   = "<!-- end of cases -->\n"
	tableHead  = `| case | what happens | galley: verdict, state after, exit code | galley: why | docker CLI: exit code, last line | docker CLI: what it leaves |
|---|---|---|---|---|---|
`
)

func readVerdicts(t *testing.T) *verdictTable {
	t.Helper()
	text, err := os.ReadFile(verdictDocs)
	if errors.Is(err, fs.ErrNotExist) && *writeVerdicts {
		text = []byte(tableBegin + tableEnd)
	} else if err != nil {
		t.Fatal(err)
	}
	d := &verdictTable{rows: map[string][]string{}}
	var rest string
	var ok, end bool
	d.head, rest, ok = strings.Cut(string(text), tableBegin)
	rest, d.tail, end = strings.Cut(rest, tableEnd)
	if !ok || !end {
		t.Fatalf("%s has no table between %q and %q", verdictDocs, tableBegin, tableEnd)
	}
	for _, line := range strings.Split(strings.TrimPrefix(rest, tableHead), "\n") {
		if cells := splitRow(line); len(cells) > 0 {
			d.rows[cells[0]] = cells
			d.order = append(d.order, cells[0])
		}
	}
	return d
}

// splitRow undoes joinRow.
func splitRow(line string) []string {
	line = strings.ReplaceAll(line, `\|`, "\x00")
	if !strings.HasPrefix(line, "| ") {
		return nil
	}
	cells := strings.Split(strings.TrimSuffix(strings.TrimPrefix(line, "| "), " |"), " | ")
	for i := range cells {
		cells[i] = strings.ReplaceAll(cells[i], "\x00", "|")
	}
	return cells
}

func joinRow(cells []string) string {
	escaped := make([]string, len(cells))
	for i, cell := range cells {
		escaped[i] = strings.ReplaceAll(cell, "|", `\|`)
	}
	return "| " + strings.Join(escaped, " | ") + " |\n"
}

// quoted is a text of a program in a table's cell.
func quoted(text string) string {
	if text == "" {
		return "–"
	}
	return "`" + strings.ReplaceAll(text, "`", "'") + "`"
}

// set writes two cells of a case, at once: a run that ends half way has written
// what it saw.
func (d *verdictTable) set(t *testing.T, c verdictCase, column int, cells []string) {
	t.Helper()
	if t.Failed() {
		return // what it was is no answer
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	row := make([]string, columns)
	for i := range row {
		row[i] = "not run"
	}
	copy(row, d.rows[c.name])
	row[0], row[1] = c.name, c.what
	copy(row[column:], cells)
	d.rows[c.name] = row
	d.write(t)
}

// compare checks that the documentation tells what the run observed.
func (d *verdictTable) compare(t *testing.T, c verdictCase, cells []string) {
	t.Helper()
	have := d.rows[c.name]
	if len(have) != columns {
		t.Fatalf("%s: case %q has %d cells, want %d; make verdicts writes it", verdictDocs, c.name, len(have), columns)
	}
	for i, cell := range append([]string{c.name, c.what}, cells...) {
		if have[i] != cell {
			t.Errorf("%s, case %q says\n  %s\nand it was\n  %s", verdictDocs, c.name, have[i], cell)
		}
	}
}

func (d *verdictTable) write(t *testing.T) {
	t.Helper()
	text := d.head + tableBegin + tableHead
	for _, c := range verdictCases {
		if row, ok := d.rows[c.name]; ok {
			text += joinRow(row)
		}
	}
	if err := os.WriteFile(verdictDocs, []byte(text+tableEnd+d.tail), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestVerdictDocs: the documentation has the table's cases in its order, and no
// others.
func TestVerdictDocs(t *testing.T) {
	if *writeVerdicts || *dockerCLI != "" {
		t.Skip("they are being written")
	}
	var names []string
	for _, c := range verdictCases {
		names = append(names, c.name)
	}
	if have, want := strings.Join(readVerdicts(t).order, "\n"), strings.Join(names, "\n"); have != want {
		t.Errorf("%s has the cases\n%s\nwant\n%s", verdictDocs, have, want)
	}
	for name, row := range readVerdicts(t).rows {
		if slices.Contains(row, "not run") || len(row) != columns {
			t.Errorf("%s, case %q: %q, want a whole row", verdictDocs, name, row)
		}
	}
	row := []string{"a", "b|c", quoted("x | `y`"), "–"}
	if back := splitRow(strings.TrimSuffix(joinRow(row), "\n")); strings.Join(back, "\n") != strings.Join(row, "\n") {
		t.Errorf("%q became %q", row, back)
	}
}
