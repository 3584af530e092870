package rules

import (
	"slices"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r122 = lint.Rule{
	ID: "R122", Name: "env-sample-syntax",
	Summary:    "every line of .env.sample can be read",
	Severity:   lint.Error,
	RecipeOnly: true,
	Check:      checkSampleSyntax,
}

// checkSampleSyntax leaves the modifiers of secrets to R123 and R124.
func checkSampleSyntax(p *lint.Pass) {
	if p.Recipe.Sample == nil {
		return
	}
	var modifiers []recipe.Range
	for _, v := range p.Recipe.Sample.Vars() {
		for _, m := range v.Modifiers {
			modifiers = append(modifiers, m.Range)
		}
	}
	for _, problem := range p.Recipe.Sample.Problems() {
		if !slices.Contains(modifiers, problem.Range) {
			p.Report(problem.Range, problem.Message)
		}
	}
}
