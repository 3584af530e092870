package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s246 = lint.Rule{
	ID: "S246", Name: "rewritten-value",
	Summary:  "numbers and dates that are meant as text arrive as they are written",
	Severity: lint.Warning,
	Check:    checkRewritten,
}

func checkRewritten(p *lint.Pass) {
	eachText(p, func(_ string, n recipe.Node) {
		if n.IsString() || n.IsNull() || n.Text() == "" {
			return
		}
		if _, boolean := n.Any().(bool); boolean {
			return // S203's
		}
		if text := handedOn(n); text != n.Text() {
			p.Report(n.Range(), fmt.Sprintf("%s without quotes arrives as %q; expected quotes", shorten(n.Text()), text), quoteFix(n, false))
		}
	})
}
