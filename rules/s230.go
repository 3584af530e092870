package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
)

var s230 = lint.Rule{
	ID: "S230", Name: "bind-unplaced",
	Summary:  "a service that mounts a node's folder is placed on a node that has it",
	Severity: lint.Warning,
	Check:    checkBindUnplaced,
}

// checkBindUnplaced leaves out global services, what every node has, and paths
// whose names tell of shared storage.
func checkBindUnplaced(p *lint.Pass) {
	if !deployMentions(p.Recipe, "volumes") || !forSwarm(p) {
		return
	}
	eachDeployService(p, "volumes", func(f *deployFinder, s deployService) {
		if !s.complete() || s.mode() != "replicated" || s.placed() {
			return
		}
		for _, m := range s.mounts() {
			if m.nodeBound() {
				f.report(m.at, fmt.Sprintf("service %q mounts %q of whichever node it runs on, and fails on one without it; expected a placement constraint, a config or a volume", s.name, m.source))
			}
		}
	})
}
