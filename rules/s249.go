package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s249 = lint.Rule{
	ID: "S249", Name: "lone-dollar",
	Summary:  "a dollar sign that starts no variable is written $$",
	Severity: lint.Error,
	Check:    checkLoneDollar,
}

func checkLoneDollar(p *lint.Pass) {
	eachDollar(p, loneDollar, func(n recipe.Node, d dollar, at recipe.Range) {
		text := n.Text()
		around := text[d.from:min(len(text), d.from+2)]
		if len(around) > 1 && around[1] >= 0x80 {
			around = around[:1]
		}
		options := []lint.Option{}
		if n.Document().Text.Slice(at) == "$" {
			options = append(options, replaceFix(at, "$$", "double the dollar sign", true))
		}
		p.Report(at, fmt.Sprintf("$ in %q starts no variable, and docker stack deploy refuses the file; expected $$", shorten(around)), options...)
	})
}
