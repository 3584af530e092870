package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
)

var s263 = lint.Rule{
	ID: "S263", Name: "relative-bind",
	Summary:  "no service mounts a path relative to where the deploy is run",
	Severity: lint.Warning,
	Check:    checkRelativeBinds,
}

// checkRelativeBinds leaves files for one docker host alone.
func checkRelativeBinds(p *lint.Pass) {
	if !forSwarm(p) {
		return
	}
	seen := once{}
	for _, service := range p.Services() {
		for _, m := range mounts(service.Node) {
			source := m.source.text
			if m.kind != "bind" || source == "" || source[0] == '/' || source[0] == '$' || !seen.first(m.sourceRange()) {
				continue
			}
			p.Report(m.sourceRange(), fmt.Sprintf("%q is taken for a path on the machine of whoever deploys, and no node of the swarm has it; expected a config or a named volume", shorten(source)))
		}
	}
}
