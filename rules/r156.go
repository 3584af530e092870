package rules

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r156 = lint.Rule{
	ID: "R156", Name: "template-driver-missing",
	Summary:    "a config with swarm's template functions says template_driver: golang",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkTemplateDriver,
}

// swarmTemplate is a call of one of swarm's own functions. Other braces may be
// another program's templates.
var swarmTemplate = regexp.MustCompile("\\{\\{[^}\\n]*\\b(?:env|secret|config) +[\"`][^\"`\\n]*[\"`][^\\n]*\\}\\}")

func checkTemplateDriver(p *lint.Pass) {
	seen := map[recipe.Range]bool{}
	for _, f := range objectFiles(p.Recipe) {
		file := f.object.Get("file")
		if f.object.Get("template_driver").Exists() || seen[file.Range()] {
			continue
		}
		seen[file.Range()] = true
		data := f.read(p.Recipe)
		if len(data) > maxTemplate {
			continue
		}
		at := swarmTemplate.FindIndex(data)
		if at == nil {
			continue
		}
		text := recipe.NewText(f.path, data)
		options := []lint.Option{lint.WithRelated(text.Range(at[0], at[1]), "the template")}
		if fix, ok := addDriver(file); ok {
			options = append(options, lint.WithFix(fix))
		}
		p.Report(firstLine(file), fmt.Sprintf("%s %q is made of %q, which has %q, but swarm leaves it as it is without template_driver: golang; expected that", f.kind, f.key, file.Text(), shorten(string(data[at[0]:at[1]]))), options...)
	}
}

// addDriver is the fix that gives a config or secret in block style a template
// driver, on a line behind its file.
func addDriver(file recipe.Node) (lint.Fix, bool) {
	key, at := file.KeyRange(), file.Range()
	text := file.Document().Text
	line := text.Line(key.Start.Line)
	indent := line[:max(0, min(len(line), key.Start.Column-1))]
	if at.Start.Line != at.End.Line || len(indent) == 0 || strings.Trim(indent, " ") != "" {
		return lint.Fix{}, false
	}
	end := text.LineRange(key.Start.Line).End
	return lint.Fix{
		Message: "add template_driver: golang",
		Edits:   []lint.Edit{{File: text.Path, Start: end, End: end, Text: "\n" + indent + "template_driver: golang"}},
	}, true
}
