package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
)

var s236 = lint.Rule{
	ID: "S236", Name: "restart-attempts",
	Summary:  "max_attempts of a service that serves has a window to count in",
	Severity: lint.Warning,
	Check:    checkRestartAttempts,
}

// checkRestartAttempts: without a window a swarm counts all restarts since the
// last update, and then never starts the task again.
func checkRestartAttempts(p *lint.Pass) {
	eachDeployService(p, "max_attempts", func(f *deployFinder, s deployService) {
		node := s.get("deploy", "restart_policy", "max_attempts")
		attempts, known := deployNumber(node)
		if !known || attempts <= 0 || !s.complete() {
			return
		}
		if n := s.get("deploy", "restart_policy", "window"); n.Exists() {
			if window, known := deployDuration(n); !known || window > 0 {
				return
			}
		}
		condition, _ := deployText(s.get("deploy", "restart_policy", "condition"))
		if condition == "none" || !s.serves() {
			return
		}
		f.report(deployPlace(node), fmt.Sprintf("max_attempts: %d without a window counts the restarts of service %q for good: after that many, in months even, it stays down; expected a window such as 2m", attempts, s.name))
	})
}
