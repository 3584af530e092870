package deployer

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync"
	"testing"
)

// verdictTable is the table of docs/verdicts.md. A row is the case's name, what
// happens, galley's two cells and the docker CLI's two.
type verdictTable struct {
	head, tail string // the text before and after
	mu         sync.Mutex
	rows       map[string][]string // by the case's name
	order      []string
}

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

func (d *verdictTable) set(row []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rows[row[0]] = row
}

// compare checks that the documentation tells what the run observed.
func (d *verdictTable) compare(t *testing.T, row []string) {
	t.Helper()
	have, ok := d.rows[row[0]]
	if !ok {
		t.Errorf("%s has no case %q; make verdicts writes it", verdictDocs, row[0])
		return
	}
	if len(have) != len(row)+2 {
		t.Fatalf("%s, case %q: %d cells, want %d", verdictDocs, row[0], len(have), len(row)+2)
	}
	for i, cell := range row {
		if have[i] != cell {
			t.Errorf("%s, case %q says\n  %s\nand it was\n  %s", verdictDocs, row[0], have[i], cell)
		}
	}
}

func (d *verdictTable) write(t *testing.T) {
	t.Helper()
	text := d.head + tableBegin + tableHead
	for _, c := range verdictCases {
		row, ok := d.rows[c.name]
		if !ok {
			t.Errorf("case %q was not run", c.name)
			continue
		}
		text += joinRow(row)
	}
	if err := os.WriteFile(verdictDocs, []byte(text+tableEnd+d.tail), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestVerdictDocs: the documentation has the table's cases in its order, and no
// others.
func TestVerdictDocs(t *testing.T) {
	if *writeVerdicts {
		t.Skip("they are being written")
	}
	var names []string
	for _, c := range verdictCases {
		names = append(names, c.name)
	}
	if have, want := strings.Join(readVerdicts(t).order, "\n"), strings.Join(names, "\n"); have != want {
		t.Errorf("%s has the cases\n%s\nwant\n%s", verdictDocs, have, want)
	}
	row := []string{"a", "b|c", quoted("x | `y`"), "–"}
	if back := splitRow(strings.TrimSuffix(joinRow(row), "\n")); strings.Join(back, "\n") != strings.Join(row, "\n") {
		t.Errorf("%q became %q", row, back)
	}
}
