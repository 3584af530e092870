package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var d512 = lint.Rule{
	ID: "D512", Name: "double-quotes",
	Summary: "strings in quotes are in double ones",
	Off:     true,
	Check:   checkDoubleQuotes,
}

// checkDoubleQuotes leaves alone strings that would need escapes.
func checkDoubleQuotes(p *lint.Pass) {
	eachStyled(p, func(d *recipe.Document) {
		var slips []slip
		seen := once{}
		d.Root().Scalars(func(_ []string, n recipe.Node) {
			text := n.Text()
			if !n.Quoted() || strings.Trim(text, " ") == "" || !quotable(text) || !asWritten(n, "'"+text+"'") || !seen.first(n.Range()) {
				return
			}
			slips = append(slips, slip{
				at: n.Range(), message: fmt.Sprintf("'%s' is in single quotes; expected double ones", shorten(text)),
				fix: "use double quotes", edits: []lint.Edit{replaced(n.Range(), `"`+text+`"`)},
			})
		})
		reportSlips(p, d, slips, true)
	})
}
