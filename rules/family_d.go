package rules

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

// styleRules are about order, quotes and layout of compose files. They are off
// unless asked for, and what they find changes nothing that a file means: so do
// their fixes, which are tried on the text before they are offered.
func styleRules() []lint.Rule {
	return []lint.Rule{
		d501, d502, d503, d504, d505, d506, d507, d508, d509, d510, d511, d512,
	}
}

// slip is what a style rule finds.
type slip struct {
	at      recipe.Range
	message string
	// fix says what the edits do. Without edits there is no safe way to mend it.
	fix   string
	edits []lint.Edit
}

// maxTried and maxTriedSize bound how many slips of a file are tried one by one,
// and how large, in bytes, the file may be.
const (
	maxTried     = 64
	maxTriedSize = 256 << 10
)

// eachStyled calls look with every compose file that style rules can look at: one
// document that was read without trouble.
func eachStyled(p *lint.Pass, look func(d *recipe.Document)) {
	for _, d := range p.Recipe.Documents() {
		if len(d.Errors) == 0 && d.Root().IsMap() && len(d.Duplicates()) == 0 && plainLines(d.Text) {
			look(d)
		}
	}
}

// plainLines tells whether a text's lines are YAML's lines, and all of one
// document: YAML 1.1 ends lines at more characters than are counted here.
func plainLines(t *recipe.Text) bool {
	if bytes.Count(t.Bytes, []byte("\r")) != bytes.Count(t.Bytes, []byte("\r\n")) || bytes.ContainsAny(t.Bytes, "\u0085\u2028\u2029") {
		return false
	}
	started := false
	for n := 1; n <= t.Lines(); n++ {
		line := t.Line(n)
		marker := strings.HasPrefix(line, "---") || strings.HasPrefix(line, "...")
		if marker && started {
			return false
		}
		started = started || line != "" && line[0] != '#' && line[0] != '%'
	}
	return true
}

// reportSlips reports what was found in one file, each with its fix when that
// leaves the meaning as it is. Slips of layout that cannot be mended are dropped:
// blanks that count are no slip.
func reportSlips(p *lint.Pass, d *recipe.Document, slips []slip, layout bool) {
	var all []lint.Edit
	for _, s := range slips {
		all = append(all, s.edits...)
	}
	safe := len(all) > 0 && harmless(d, all)
	for i, s := range slips {
		mended := len(s.edits) > 0 && (safe || i < maxTried && len(d.Text.Bytes) <= maxTriedSize && harmless(d, s.edits))
		switch {
		case mended:
			p.Report(s.at, s.message, lint.WithFix(lint.Fix{Message: s.fix, Safe: true, Edits: s.edits}))
		case !layout:
			p.Report(s.at, s.message)
		}
	}
}

// harmless tells whether a file means the same with the edits made.
func harmless(d *recipe.Document, edits []lint.Edit) bool {
	t := d.Text
	sorted := slices.Clone(edits)
	slices.SortStableFunc(sorted, func(a, b lint.Edit) int { return t.Offset(a.Start) - t.Offset(b.Start) })
	var made []byte
	at := 0
	for _, e := range sorted {
		from, to := t.Offset(e.Start), t.Offset(e.End)
		if from < at || to < from {
			return false
		}
		made = append(append(made, t.Bytes[at:from]...), e.Text...)
		at = to
	}
	after := recipe.ParseDocument(t.Path, append(made, t.Bytes[at:]...))
	return len(after.Errors) == 0 && len(after.Duplicates()) == 0 && reflect.DeepEqual(meaning(d), meaning(after))
}

// meaning is what a file says. The lists whose order says nothing are sorted:
// docker makes mappings of the one, and sorts the other by port.
func meaning(d *recipe.Document) any {
	all := d.Root().Any()
	top, _ := all.(map[string]any)
	services, _ := top["services"].(map[string]any)
	for _, service := range services {
		if service, ok := service.(map[string]any); ok {
			settle := func(key string) {
				if list, ok := service[key].([]any); ok {
					slices.SortStableFunc(list, func(a, b any) int { return strings.Compare(sortText(a), sortText(b)) })
				}
			}
			settle("environment")
			settle("ports")
		}
	}
	return all
}

// sortText orders values of any kind.
func sortText(v any) string { return fmt.Sprintf("%T %v", v, v) }

// replaced replaces a range.
func replaced(r recipe.Range, text string) lint.Edit {
	return lint.Edit{File: r.File, Start: r.Start, End: r.End, Text: text}
}

// asWritten tells whether a scalar stands on one line, written as written.
func asWritten(n recipe.Node, written string) bool {
	r := n.Range()
	return r.Start.Line == r.End.Line && n.Document().Text.Slice(r) == written
}

// quotable tells whether a text may stand between double quotes as it is.
func quotable(text string) bool { return !strings.ContainsAny(text, "\"\\\t\n\r") }

// multiline marks the lines of scalars that go over several: their layout is text.
func multiline(d *recipe.Document) map[int]bool {
	marked := map[int]bool{}
	seen := once{}
	d.Root().Scalars(func(_ []string, n recipe.Node) {
		if r := n.Range(); r.End.Line > r.Start.Line && seen.first(r) {
			for line := r.Start.Line; line <= r.End.Line; line++ {
				marked[line] = true
			}
		}
	})
	return marked
}

// blank tells whether a line has nothing on it.
func blank(line string) bool { return strings.Trim(line, " \t") == "" }

// edgeWord is a line's first or last word, for findings about the blanks beside it.
func edgeWord(t *recipe.Text, line int, last bool) (string, recipe.Range) {
	text := t.Line(line)
	words := strings.Fields(text)
	if len(words) == 0 {
		return "", recipe.Range{}
	}
	word, from := words[0], strings.Index(text, words[0])
	if last {
		word = words[len(words)-1]
		from = strings.LastIndex(text, word)
	}
	return shorten(word), within(t.LineRange(line), text, from, from+len(word))
}
