package rules

import (
	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r159 = lint.Rule{
	ID: "R159", Name: "environment-undeclared",
	Summary:    "what a service's environment passes on is declared in .env.sample or abra.sh",
	Severity:   lint.Info,
	RecipeOnly: true,
	Check:      checkPassedOn,
}

// checkPassedOn is about list items without a value. An operator may set one, but
// would have to read the compose file to learn of it. Keys without one are S270's.
func checkPassedOn(p *lint.Pass) {
	eachUndeclared(p, func(u use) {
		if u.passed && u.node.Key() == "" {
			p.Reportf(u.place(), "environment passes %s on, which neither %s nor %s declares, so operators do not learn of it; expected a declaration, if a commented one", u.variable.Name, recipe.SampleName, recipe.ScriptName)
		}
	})
}
