package lint

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/galley-coop/galley/recipe"
)

// texts finds the text of the files that a target's findings name.
type texts struct {
	recipe *recipe.Recipe
	known  map[string]*indexed // nil for a file that is not there
}

// indexed is a text with, once asked for, the line that encloses each line.
type indexed struct {
	*recipe.Text
	parents []int
	// The line that was asked for last, and its code points: findings come in
	// the order of the text, and a file may be one line of megabytes.
	last  int
	line  string
	width int
}

// read is line n and how many code points it has.
func (t *indexed) read(n int) (line string, width int) {
	if t.last != n {
		t.last, t.line = n, t.Line(n)
		t.width = utf8.RuneCountInString(t.line)
	}
	return t.line, t.width
}

// between is the text of a line from one column to another, both within it.
func (t *indexed) between(n, from, to int) string {
	line, width := t.read(n)
	if width == len(line) {
		return line[from-1 : to-1]
	}
	return t.Slice(recipe.Range{Start: recipe.Position{Line: n, Column: from}, End: recipe.Position{Line: n, Column: to}})
}

func newTexts(r *recipe.Recipe) *texts {
	t := &texts{recipe: r, known: map[string]*indexed{}}
	for _, text := range filesOf(r) {
		t.known[text.Path] = &indexed{Text: text}
	}
	return t
}

// shown lists the files that were read, as the user calls them. It is asked
// before settle looks for more.
func (t *texts) shown(dir string) []string {
	names := make([]string, 0, len(t.known))
	for name := range t.known {
		names = append(names, path.Join(dir, name))
	}
	return names
}

func (t *texts) get(name string) *indexed {
	text, ok := t.known[name]
	if ok {
		return text
	}
	if data, err := t.recipe.ReadFile(name); err == nil {
		text = &indexed{Text: recipe.NewText(name, data)}
	}
	t.known[name] = text
	return text
}

// settle makes findings fit to be reported: sorted, each once, at a place that
// is there, with its line, its fingerprint, and dir before its files.
func (t *texts) settle(findings []Finding, dir string) []Finding {
	for i := range findings {
		t.place(&findings[i])
	}
	findings = sorted(findings)
	equal := map[string]int{}
	for i := range findings {
		f := &findings[i]
		identity := f.Rule + "\x00" + f.File
		if text := t.get(f.File); text != nil {
			f.Source, _ = text.read(f.Start.Line)
			identity += text.identity(f.Start, f.End)
		}
		f.Fingerprint = fingerprint(identity, equal[identity])
		equal[identity]++
		prefix(f, dir)
	}
	return findings
}

// place moves every place of f into a file's text. What f shares with the rule
// that made it is copied first.
func (t *texts) place(f *Finding) {
	f.File, f.Start, f.End = t.within(f.File, f.Start, f.End)
	f.Related = append([]Related{}, f.Related...)
	for i, r := range f.Related {
		r.File, r.Start, r.End = t.within(r.File, r.Start, r.End)
		f.Related[i] = r
	}
	if f.Fix == nil {
		return
	}
	fix := *f.Fix
	fix.Edits = append([]Edit{}, fix.Edits...)
	f.Fix = &fix
	for i, e := range fix.Edits {
		e.File = t.file(e.File)
		fix.Edits[i] = e
	}
}

// file is name cleaned, or where a finding without a file of its own goes.
func (t *texts) file(name string) string {
	clean, ok := recipe.RelativePath(name)
	if ok && name != "" && clean != "." {
		return clean
	}
	if t.recipe.Base != nil {
		return t.recipe.Base.Text.Path
	}
	return recipe.ComposeNames[0]
}

// within guards against a place that is not there: one without a line, or in a
// file that is missing, is the file's first column; one behind the text is its
// end.
func (t *texts) within(name string, start, end recipe.Position) (string, recipe.Position, recipe.Position) {
	file := t.file(name)
	text := t.get(file)
	if text == nil || start.Line < 1 || start.Column < 1 || name == "" {
		first := AtFile(file)
		return file, first.Start, first.End
	}
	start, end = text.clamp(start), text.clamp(end)
	if end.Line < start.Line || end.Line == start.Line && end.Column < start.Column {
		end = start
	}
	return file, start, end
}

func (t *indexed) clamp(p recipe.Position) recipe.Position {
	if p.Line < 1 {
		return recipe.Position{}
	}
	if last := t.Lines(); p.Line > last {
		p = recipe.Position{Line: last, Column: math.MaxInt}
	}
	_, width := t.read(p.Line)
	return recipe.Position{Line: p.Line, Column: max(1, min(p.Column, width+1))}
}

func prefix(f *Finding, dir string) {
	f.File = path.Join(dir, f.File)
	for i := range f.Related {
		f.Related[i].File = path.Join(dir, f.Related[i].File)
	}
	if f.Fix != nil {
		for i := range f.Fix.Edits {
			f.Fix.Edits[i].File = path.Join(dir, f.Fix.Edits[i].File)
		}
	}
}

// fingerprint is 16 hex digits of identity and of how many like it came before.
func fingerprint(identity string, ordinal int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d", identity, ordinal))
	return hex.EncodeToString(sum[:8])
}

// identity is what stands at a place, and what it stands in: the text of the
// range, its line, and the keys that enclose it by indentation, which in YAML is
// the path. Blanks around lines and line ends do not count. Of a range over
// several lines the first one counts, or a change anywhere in a service would
// make new findings of all that is said of it. The empty range at a file's start
// is the file itself, and has no text.
func (t *indexed) identity(start, end recipe.Position) string {
	if start == end && start == (recipe.Position{Line: 1, Column: 1}) {
		return ""
	}
	line, width := t.read(start.Line)
	if end.Line > start.Line {
		end.Column = width + 1
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\x00%s\x00%s", head(t.between(start.Line, start.Column, end.Column)), head(line))
	const deepest = 64
	above := t.parent(start.Line)
	for range deepest {
		if above == 0 {
			break
		}
		b.WriteByte(0)
		b.WriteString(keyOf(t.Line(above)))
		above = t.parent(above)
	}
	return b.String()
}

// head is s without the blanks around it, and no more of it than tells it apart
// in any file written by hand.
func head(s string) string {
	const enough = 512
	s = strings.TrimSpace(s)
	return s[:min(len(s), enough)]
}

// keyOf is what a line contributes to the path of those below it: the key, so
// that a comment behind it does not matter, or the whole of a list item.
func keyOf(line string) string {
	line = head(line)
	if strings.HasPrefix(line, "-") {
		return line
	}
	key, _, _ := strings.Cut(line, ":")
	return key
}

// parent is the line that encloses line n, 0 for none.
func (t *indexed) parent(n int) int {
	if t.parents == nil {
		t.parents = enclosing(t.Text)
	}
	return t.parents[n]
}

// enclosing finds, for each line, the nearest one above that is indented less.
// List items may stand at the indentation of their key (YAML 1.2, 8.2.1).
// Blank lines and comments enclose nothing.
func enclosing(t *recipe.Text) []int {
	type level struct {
		line, indent int
		item         bool
	}
	var open []level
	parents := make([]int, t.Lines()+1)
	for n := 1; n <= t.Lines(); n++ {
		line := t.Line(n)
		body := strings.TrimLeft(line, " \t")
		here := level{n, len(line) - len(body), strings.HasPrefix(body, "- ") || body == "-"}
		outer := len(open)
		for outer > 0 && !(open[outer-1].indent < here.indent ||
			open[outer-1].indent == here.indent && here.item && !open[outer-1].item) {
			outer--
		}
		if outer > 0 {
			parents[n] = open[outer-1].line
		}
		if body != "" && body[0] != '#' && body[0] != '\r' {
			open = append(open[:outer], here)
		}
	}
	return parents
}
