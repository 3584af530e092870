package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s252 = lint.Rule{
	ID: "S252", Name: "alternative-value",
	Summary:  "no variable has a form that only compose knows",
	Severity: lint.Warning,
	Check:    checkAlternative,
}

func checkAlternative(p *lint.Pass) {
	eachDollar(p, alternative, func(_ recipe.Node, d dollar, at recipe.Range) {
		p.Report(at, fmt.Sprintf("docker stack deploy refuses the form ${%s:+…}, which only compose knows; expected ${%s} or ${%s:-default}", d.name, d.name, d.name))
	})
}
