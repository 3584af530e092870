package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r130 = lint.Rule{
	ID: "R130", Name: "sample-duplicate",
	Summary:    ".env.sample sets no variable twice",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkSampleDuplicates,
}

// checkSampleDuplicates lets a value build on the earlier one, as COMPOSE_FILE's
// do. Commented declarations are choices, and may repeat.
func checkSampleDuplicates(p *lint.Pass) {
	if p.Recipe.Sample == nil {
		return
	}
	first := map[string]recipe.EnvVar{}
	for _, v := range p.Recipe.Sample.Vars() {
		if v.Commented {
			continue
		}
		earlier, again := first[v.Name]
		if !again {
			first[v.Name] = v
			continue
		}
		if v.Quote != '\'' && countWord(v.Raw, v.Name) > 0 {
			continue
		}
		options := []lint.Option{lint.WithRelated(earlier.NameRange, "set here first")}
		what := fmt.Sprintf("to %q after %q", shorten(v.Value), shorten(earlier.Value))
		if v.Value == earlier.Value && v.Comment == earlier.Comment {
			what = fmt.Sprintf("to %q both times", shorten(v.Value))
			options = append(options, lint.WithFix(removeLines(p.Recipe.Sample.Text, v.Range, v.Name)))
		}
		p.Report(v.NameRange, fmt.Sprintf("%s is set twice, %s; readers disagree on which one counts; expected one", v.Name, what), options...)
	}
}

// removeLines is the safe fix that takes a repeated declaration out, with the
// line's end.
func removeLines(text *recipe.Text, r recipe.Range, name string) lint.Fix {
	end := recipe.Position{Line: r.End.Line + 1, Column: 1}
	if r.End.Line >= text.Lines() {
		end = text.LineRange(r.End.Line).End
	}
	return lint.Fix{
		Message: fmt.Sprintf("remove the second %s", name), Safe: true,
		Edits: []lint.Edit{{File: r.File, Start: recipe.Position{Line: r.Start.Line, Column: 1}, End: end}},
	}
}
