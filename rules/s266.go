package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
)

var s266 = lint.Rule{
	ID: "S266", Name: "anonymous-volume",
	Summary:  "volumes have names",
	Severity: lint.Warning,
	Check:    checkAnonymousVolumes,
}

func checkAnonymousVolumes(p *lint.Pass) {
	seen := once{}
	for _, service := range p.Services() {
		for _, m := range mounts(service.Node) {
			if m.kind != "volume" || m.source.text != "" || m.target.text == "" || m.target.text[0] != '/' || !seen.first(m.targetRange()) {
				continue
			}
			p.Report(m.targetRange(), fmt.Sprintf("the volume at %q has no name, so every task of service %q starts with a new one; expected a name, or type: tmpfs",
				shorten(m.target.text), service.Name))
		}
	}
}
