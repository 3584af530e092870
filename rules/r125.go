package rules

import (
	"github.com/galley-coop/galley/lint"
)

var r125 = lint.Rule{
	ID: "R125", Name: "script-syntax",
	Summary:    "abra.sh is a shell script",
	Severity:   lint.Error,
	RecipeOnly: true,
	Check:      checkScriptSyntax,
}

// checkScriptSyntax reports the first problem only: what follows it is read
// wrongly.
func checkScriptSyntax(p *lint.Pass) {
	if p.Recipe.Script != nil && len(p.Recipe.Script.Problems) > 0 {
		problem := p.Recipe.Script.Problems[0]
		p.Report(problem.Range, problem.Message)
	}
}
