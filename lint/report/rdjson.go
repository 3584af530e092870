package report

import (
	"slices"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

// The messages of the Reviewdog Diagnostic Format as JSON. Columns count bytes of
// UTF-8, and ends are exclusive; a column of 0 is none, and means the whole line.
type (
	rdResult struct {
		Source      rdSource       `json:"source"`
		Diagnostics []rdDiagnostic `json:"diagnostics"`
	}
	rdSource struct {
		Name string `json:"name"`
		URL  string `json:"url"`
	}
	rdDiagnostic struct {
		Message     string         `json:"message"`
		Location    rdLocation     `json:"location"`
		Severity    string         `json:"severity"`
		Code        rdCode         `json:"code"`
		Suggestions []rdSuggestion `json:"suggestions,omitempty"`
	}
	rdLocation struct {
		Path  string  `json:"path"`
		Range rdRange `json:"range"`
	}
	rdRange struct {
		Start rdPosition `json:"start"`
		End   rdPosition `json:"end"`
	}
	rdPosition struct {
		Line   int `json:"line"`
		Column int `json:"column,omitempty"`
	}
	rdCode struct {
		Value string `json:"value"`
		URL   string `json:"url"`
	}
	rdSuggestion struct {
		Range rdRange `json:"range"`
		Text  string  `json:"text"`
	}
)

func rdjsonReport(r *lint.Result, opts Options) ([]byte, error) {
	report := rdResult{Source: rdSource{Name: "galley", URL: home}, Diagnostics: []rdDiagnostic{}}
	for i := range r.Findings {
		f := &r.Findings[i]
		where, _ := opts.byteRange(f, f.File, f.Start, f.End)
		d := rdDiagnostic{
			Message: strings.Join(paragraphs(f), "\n"), Severity: strings.ToUpper(f.Severity.String()),
			Location: rdLocation{Path: f.File, Range: where},
			Code:     rdCode{Value: f.Rule, URL: opts.page(f.Rule)},
		}
		if s, ok := opts.suggestion(f); ok {
			d.Suggestions = []rdSuggestion{s}
		}
		report.Diagnostics = append(report.Diagnostics, d)
	}
	return indented(report)
}

// byteRange is a range in bytes; false, with whole lines, when a line's text is
// not known.
func (o Options) byteRange(f *lint.Finding, file string, start, end recipe.Position) (rdRange, bool) {
	from, known := o.bytePosition(f, file, start)
	to, alsoKnown := o.bytePosition(f, file, end)
	if !known || !alsoKnown {
		return rdRange{rdPosition{Line: start.Line}, rdPosition{Line: end.Line}}, false
	}
	return rdRange{from, to}, true
}

func (o Options) bytePosition(f *lint.Finding, file string, p recipe.Position) (rdPosition, bool) {
	if p.Column == 1 { // needs no text, and a file may be missing or end here
		return rdPosition{p.Line, 1}, true
	}
	line, ok := o.lineOf(f, file, p.Line)
	return rdPosition{p.Line, bytesBefore(line, p.Column) + 1}, ok
}

// suggestion is a finding's fix as one replacement: a reader takes each
// suggestion for a fix of its own, so several edits become one with the text
// between them. There is none for a fix that reaches into other files, or of which
// a line is not known.
func (o Options) suggestion(f *lint.Finding) (rdSuggestion, bool) {
	if f.Fix == nil || len(f.Fix.Edits) == 0 {
		return rdSuggestion{}, false
	}
	edits := slices.SortedStableFunc(slices.Values(f.Fix.Edits), func(a, b lint.Edit) int { return comparePositions(a.Start, b.Start) })
	var text strings.Builder
	for i, edit := range edits {
		if edit.File != f.File {
			return rdSuggestion{}, false
		}
		if i > 0 {
			between, ok := o.between(f, edits[i-1].End, edit.Start)
			if !ok {
				return rdSuggestion{}, false
			}
			text.WriteString(between)
		}
		text.WriteString(edit.Text)
	}
	where, ok := o.byteRange(f, f.File, edits[0].Start, edits[len(edits)-1].End)
	return rdSuggestion{where, text.String()}, ok
}

// between is the text from one place of a finding's file to a later one.
func (o Options) between(f *lint.Finding, from, to recipe.Position) (string, bool) {
	if comparePositions(from, to) > 0 {
		return "", false
	}
	const most = 1000 // lines of one fix
	if to.Line-from.Line > most {
		return "", false
	}
	var text strings.Builder
	for n := from.Line; n <= to.Line; n++ {
		line, ok := o.lineOf(f, f.File, n)
		if !ok {
			return "", false
		}
		first, last := 0, len(line)
		if n == from.Line {
			first = bytesBefore(line, from.Column)
		}
		if n == to.Line {
			last = bytesBefore(line, to.Column)
		} else {
			line, last = line+"\n", last+1
		}
		text.WriteString(line[first:last])
	}
	return text.String(), true
}

func comparePositions(a, b recipe.Position) int {
	if a.Line != b.Line {
		return a.Line - b.Line
	}
	return a.Column - b.Column
}
