package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s245 = lint.Rule{
	ID: "S245", Name: "sexagesimal-number",
	Summary:  "ports and times that YAML 1.1 reads in base 60 are in quotes",
	Severity: lint.Warning,
	Check:    checkSexagesimal,
}

func checkSexagesimal(p *lint.Pass) {
	seen := once{}
	report := func(n recipe.Node) {
		if !n.Quoted() && sexagesimal(n.Text()) && seen.first(n.Range()) {
			p.Report(n.Range(), fmt.Sprintf("%s without quotes is %d to YAML 1.1, which counts in base 60; expected quotes", n.Text(), base60(n.Text())),
				quoteFix(n, true))
		}
	}
	for _, service := range p.Services() {
		for _, n := range service.Node.Get("ports").Items() {
			report(n)
		}
	}
	eachText(p, func(_ string, n recipe.Node) { report(n) })
}
