package rules

import (
	"fmt"
	"path"
	"slices"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s201 = lint.Rule{
	ID: "S201", Name: "yaml-syntax",
	Summary:  "there is a compose file, every file can be read, and YAML is YAML",
	Severity: lint.Error,
	Check:    checkSyntax,
}

func checkSyntax(p *lint.Pass) {
	for _, problem := range p.Recipe.Problems {
		p.Report(problem.Range, fmt.Sprintf("%q %s", problem.Range.File, problem.Message))
	}
	if p.Recipe.Base == nil && !composeUnreadable(p.Recipe) {
		p.Reportf(composePlace(p.Recipe), "no compose file; expected one of %s", either(recipe.ComposeNames))
	}
	for _, d := range p.Recipe.Documents() {
		for _, problem := range d.Errors {
			p.Report(problem.Range, problem.Message)
		}
		for _, twice := range d.Duplicates() {
			p.Report(twice.Second, fmt.Sprintf("key %q is written twice in one mapping; expected once", shorten(twice.Name)),
				lint.WithRelated(twice.First, "first written here"))
		}
	}
}

// composeUnreadable tells whether the base compose file is there, and named by
// one of the recipe's problems.
func composeUnreadable(r *recipe.Recipe) bool {
	return slices.ContainsFunc(r.Problems, func(p recipe.Problem) bool {
		ext := path.Ext(p.Range.File)
		return ext == ".yml" || ext == ".yaml"
	})
}
