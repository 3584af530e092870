package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
)

var s235 = lint.Rule{
	ID: "S235", Name: "restart-none",
	Summary:  "a service that serves is started again when it ends",
	Severity: lint.Warning,
	Check:    checkRestartNone,
}

// checkRestartNone wants a sign that a service is to run for good: ports, a
// health check, a port label. A service that does one thing and ends has none.
func checkRestartNone(p *lint.Pass) {
	eachDeployService(p, "condition", func(f *deployFinder, s deployService) {
		node := s.get("deploy", "restart_policy", "condition")
		condition, known := deployText(node)
		if !known || condition != "none" || !s.serves() {
			return
		}
		f.report(deployPlace(node), fmt.Sprintf("restart condition %q: once service %q ends, or its node restarts, it stays down; expected any", condition, s.name))
	})
}
