package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r131 = lint.Rule{
	ID: "R131", Name: "export-duplicate",
	Summary:    "abra.sh exports no variable twice",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkExportDuplicates,
}

// checkExportDuplicates looks at plain values: one that is computed, or set
// under a condition, may well build on an earlier one.
func checkExportDuplicates(p *lint.Pass) {
	if p.Recipe.Script == nil {
		return
	}
	first := map[string]recipe.Export{}
	for _, e := range p.Recipe.Script.Exports {
		if !e.Exported || e.Dynamic {
			continue
		}
		earlier, again := first[e.Name]
		if !again {
			first[e.Name] = e
			continue
		}
		options := []lint.Option{lint.WithRelated(earlier.NameRange, "exported here first")}
		line := p.Recipe.Script.Text.Line(e.Range.Start.Line)
		if alone := "export " + p.Recipe.Script.Text.Slice(e.Range); earlier.Value == e.Value && line == alone {
			options = append(options, lint.WithFix(removeLines(p.Recipe.Script.Text, e.Range, e.Name)))
		}
		p.Report(e.NameRange, fmt.Sprintf("%s is exported twice, as %q and as %q; only the last one counts; expected one", e.Name, shorten(earlier.Value), shorten(e.Value)), options...)
	}
}
