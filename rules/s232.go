package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s232 = lint.Rule{
	ID: "S232", Name: "volume-unplaced",
	Summary:  "where other services are placed, one with a volume of the local driver is too",
	Severity: lint.Info,
	Check:    checkVolumeUnplaced,
}

// checkVolumeUnplaced speaks only of stacks that place something, or spread it:
// whoever wrote them had several nodes in mind.
func checkVolumeUnplaced(p *lint.Pass) {
	eachDeployStack(p, "deploy", func(f *deployFinder, s *deployStack) {
		sign := s.severalNodes()
		if !sign.Exists() || !forSwarm(p) {
			return
		}
		for _, service := range s.services() {
			_, count, known := service.replicas()
			if !service.complete() || service.mode() != "replicated" || service.placed() || !known || count != 1 || clustered[service.imageName()] {
				continue
			}
			for _, m := range service.mounts() {
				if m.kind == "volume" && m.source != "" && !m.readOnly && s.localVolume(m.source) {
					f.report(m.at, fmt.Sprintf("volume %q stays on its node, and nothing keeps service %q there: moved, it starts with an empty one; expected a placement constraint", m.source, service.name),
						lint.WithRelated(sign.KeyRange(), "this stack is for several nodes"))
					break
				}
			}
		}
	})
}

// severalNodes is what shows that a stack is for more than one node.
func (s *deployStack) severalNodes() recipe.Node {
	for _, service := range s.everyService() {
		if service.mode() == "global" {
			return service.get("deploy", "mode")
		}
		if n, count, known := service.replicas(); known && count > 1 {
			return n
		}
		if service.placed() {
			return service.upper(service.all("deploy", "placement", "constraints")...)
		}
	}
	return recipe.Node{}
}
