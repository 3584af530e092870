package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
)

var s261 = lint.Rule{
	ID: "S261", Name: "ignored-tmpfs",
	Summary:  "temporary file systems are volumes of type tmpfs",
	Severity: lint.Warning,
	Check:    checkTmpfs,
}

func checkTmpfs(p *lint.Pass) {
	seen := once{}
	for _, service := range p.Services() {
		n := service.Node.Get("tmpfs")
		if !n.Exists() || n.IsNull() || reset(n) || !seen.first(n.KeyRange()) {
			continue
		}
		p.Report(n.KeyRange(), fmt.Sprintf("docker stack deploy ignores tmpfs of service %q without a word; expected a volume of type tmpfs", service.Name))
	}
}
