package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s250 = lint.Rule{
	ID: "S250", Name: "variable-syntax",
	Summary:  "what starts with ${ is a variable that compose knows",
	Severity: lint.Error,
	Check:    checkVariableSyntax,
}

func checkVariableSyntax(p *lint.Pass) {
	eachDollar(p, badVariable, func(n recipe.Node, d dollar, at recipe.Range) {
		text := shorten(n.Text()[d.from:d.to])
		if !strings.HasSuffix(text, "}") && d.to-d.from == 2 {
			p.Report(at, fmt.Sprintf("%q has no closing brace; expected ${NAME}", shorten(n.Text()[d.from:])))
			return
		}
		p.Report(at, fmt.Sprintf("%q is no variable to compose, which is no shell; expected ${NAME}, ${NAME:-default} or ${NAME:?error}", text))
	})
}
