package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/galley-coop/galley/lint"
)

var s234 = lint.Rule{
	ID: "S234", Name: "placement-preference",
	Summary:  "tasks are spread over labels, the only thing that a swarm spreads over",
	Severity: lint.Warning,
	Check:    checkPlacementPreference,
}

func checkPlacementPreference(p *lint.Pass) {
	eachDeployService(p, "preferences", func(f *deployFinder, s deployService) {
		for _, list := range s.all("deploy", "placement", "preferences") {
			for _, item := range list.Items() {
				node := item.Get("spread")
				spread, known := deployText(node)
				lower := strings.ToLower(spread)
				if !known || slices.ContainsFunc(labelKeys, func(start string) bool { return strings.HasPrefix(lower, start) && len(lower) > len(start) }) {
					continue
				}
				f.report(deployPlace(node), fmt.Sprintf("spread: %s of service %q does nothing: a swarm spreads over labels only; expected node.labels.<name> or engine.labels.<name>", spread, s.name))
			}
		}
	})
}
