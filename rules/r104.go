package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r104 = lint.Rule{
	ID: "R104", Name: "version-label-old",
	Summary:    "no label has the form of 2021, with a version for each service",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkVersionOld,
}

func checkVersionOld(p *lint.Pass) {
	for _, l := range stackLabels(p) {
		if !l.old() {
			continue
		}
		expected := fmt.Sprintf("%s=%s", versionLabelName, exampleVersion(p))
		if !l.onApp() {
			expected = "one version label, on service \"app\""
		}
		var options []lint.Option
		if fix, ok := dropLine(l); ok && !l.onApp() {
			options = append(options, lint.WithFix(fix))
		}
		p.Report(l.namePlace(), fmt.Sprintf("label %q is of the form that clients stopped reading in 2021; expected %s", shorten(l.name), expected), options...)
	}
}

// dropLine removes a list item that has its line for itself, and is not the only
// one of its list.
func dropLine(l stackLabel) (lint.Fix, bool) {
	r := l.node.Range()
	labels := l.service.Node.Get("deploy", "labels")
	if l.inMap() || labels.Len() < 2 || r.Start.Line != r.End.Line {
		return lint.Fix{}, false
	}
	text := l.node.Document().Text
	line := strings.TrimSpace(text.Line(r.Start.Line))
	if item, ok := strings.CutPrefix(line, "-"); !ok || strings.TrimSpace(item) != text.Slice(r) || r.Start.Line == text.Lines() {
		return lint.Fix{}, false
	}
	return lint.Fix{Message: "remove the label", Edits: []lint.Edit{{
		File:  r.File,
		Start: recipe.Position{Line: r.Start.Line, Column: 1}, End: recipe.Position{Line: r.Start.Line + 1, Column: 1},
	}}}, true
}
