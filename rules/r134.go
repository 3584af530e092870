package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r134 = lint.Rule{
	ID: "R134", Name: "default-export-differ",
	Summary:    "a variable's default in a compose file agrees with abra.sh",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkDefaultsAgainstExports,
}

func checkDefaultsAgainstExports(p *lint.Pass) {
	if p.Recipe.Script == nil {
		return
	}
	seen := map[recipe.Range]bool{}
	for _, u := range uses(p.Recipe) {
		given, ok := u.variable.Default()
		export, exported := p.Recipe.Script.Get(u.variable.Name)
		if !ok || given == "" || !exported || !export.Exported || export.Dynamic || export.Value == given {
			continue
		}
		at := u.argument()
		if seen[at] {
			continue
		}
		seen[at] = true
		p.Report(at, fmt.Sprintf("the default of %s is %q, but %s exports %q, which always wins; expected both to agree", u.variable.Name, shorten(given), recipe.ScriptName, shorten(export.Value)),
			lint.WithRelated(export.ValueRange, "exported here"),
			lint.WithFix(lint.Fix{Message: "take the exported value", Edits: []lint.Edit{{File: at.File, Start: at.Start, End: at.End, Text: export.Value}}}))
	}
}
