package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var d508 = lint.Rule{
	ID: "D508", Name: "port-quotes",
	Summary: "ports with a colon are in quotes",
	Off:     true,
	Check:   checkPortQuotes,
}

// checkPortQuotes leaves to S245 what YAML 1.1 takes for a number of base 60: that
// is more than style.
func checkPortQuotes(p *lint.Pass) {
	eachStyled(p, func(d *recipe.Document) {
		var slips []slip
		seen := once{}
		for _, service := range d.Lookup("services").Pairs() {
			for _, port := range service.Get("ports").Items() {
				text := port.Text()
				if !port.IsString() || port.Quoted() || !strings.Contains(text, ":") || sexagesimal(text) || !seen.first(port.Range()) {
					continue
				}
				s := slip{
					at: port.Range(), message: fmt.Sprintf("port %s is not in quotes; expected %q", shorten(text), shorten(text)),
					fix: "put the port in quotes",
				}
				if asWritten(port, text) && quotable(text) {
					s.edits = []lint.Edit{replaced(s.at, `"`+text+`"`)}
				}
				slips = append(slips, s)
			}
		}
		reportSlips(p, d, slips, false)
	})
}
