package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s251 = lint.Rule{
	ID: "S251", Name: "nested-default",
	Summary:  "the default of a variable holds no dollar sign",
	Severity: lint.Warning,
	Check:    checkNestedDefault,
}

func checkNestedDefault(p *lint.Pass) {
	eachDollar(p, nestedDollar, func(_ recipe.Node, d dollar, at recipe.Range) {
		p.Report(at, fmt.Sprintf("the default of ${%s} holds a dollar sign: docker stack deploy takes it as it is written, compose fills variables in; expected a plain default", d.name))
	})
}
