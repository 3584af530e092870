package rules

import (
	"fmt"
	"path"

	"github.com/galley-coop/galley/lint"
)

var s243 = lint.Rule{
	ID: "S243", Name: "duplicate-mount",
	Summary:  "no two volumes of a service are mounted at one place",
	Severity: lint.Error,
	Check:    checkDuplicateMounts,
}

// checkDuplicateMounts looks within one file: an overlay's mount takes the place
// of the base's at the same target.
func checkDuplicateMounts(p *lint.Pass) {
	seen := once{}
	for _, service := range p.Services() {
		first := map[string]volumeEntry{}
		for _, m := range mounts(service.Node) {
			if m.target.text == "" {
				continue
			}
			target := path.Clean(m.target.text)
			other, taken := first[target]
			if !taken {
				first[target] = m
				continue
			}
			same := !m.long && !other.long && m.node.Text() == other.node.Text()
			if same || !seen.first(m.targetRange()) {
				continue
			}
			p.Report(m.targetRange(), fmt.Sprintf("service %q has a mount at %q already; swarm refuses a second", service.Name, shorten(m.target.text)),
				lint.WithRelated(other.targetRange(), "mounted here"))
		}
	}
}
