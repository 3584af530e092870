package rules

import (
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s276 = lint.Rule{
	ID: "S276", Name: "several-documents",
	Summary:  "a compose file holds one YAML document",
	Severity: lint.Error,
	Check:    checkSeveralDocuments,
}

func checkSeveralDocuments(p *lint.Pass) {
	for _, document := range p.Recipe.Documents() {
		if r, ok := secondDocument(document.Text); ok {
			p.Reportf(r, "a second document starts at %q, and docker stack deploy reads the first alone; expected one", document.Text.Line(r.Start.Line))
		}
	}
}

// secondDocument finds the "---" behind which a second document has content. A
// separator stands at a line's start, where no value can have it (YAML 1.2, 9.1.2).
func secondDocument(text *recipe.Text) (recipe.Range, bool) {
	if !strings.Contains(string(text.Bytes), "\n---") && !strings.Contains(string(text.Bytes), "\n...") {
		return recipe.Range{}, false
	}
	content, separator := false, 0
	for n := 1; n <= text.Lines(); n++ {
		line := text.Line(n)
		switch {
		case line == "---" || strings.HasPrefix(line, "--- "):
			if content {
				separator = n
			}
			content = content || holds(strings.TrimPrefix(line, "---"))
		case line == "..." || strings.HasPrefix(line, "%") && !content:
		case holds(line):
			if separator > 0 {
				r := text.LineRange(separator)
				r.End.Column = r.Start.Column + len("---")
				return r, true
			}
			content = true
		}
	}
	return recipe.Range{}, false
}

// holds tells whether a line holds more than blanks and a comment.
func holds(line string) bool {
	line = strings.TrimSpace(line)
	return line != "" && line[0] != '#'
}
