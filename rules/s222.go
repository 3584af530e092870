package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
)

var s222 = lint.Rule{
	ID: "S222", Name: "rollback-of-rollback",
	Summary:  "a failed rollback is not to be rolled back",
	Severity: lint.Info,
	Check:    checkRollbackOfRollback,
}

// checkRollbackOfRollback: a swarm never rolls a rollback back, it pauses. That
// is also what it does by default, hence the safe fix.
func checkRollbackOfRollback(p *lint.Pass) {
	eachDeployService(p, "rollback_config", func(f *deployFinder, s deployService) {
		node := s.get("deploy", "rollback_config", "failure_action")
		action, known := deployText(node)
		if !known || action != "rollback" {
			return
		}
		at := deployPlace(node)
		f.report(at, fmt.Sprintf("rollback_config of service %q has failure_action: %s, which a swarm takes for pause; expected pause or continue", s.name, action),
			lint.WithFix(lint.Fix{Message: "say pause, which is what happens", Safe: true, Edits: []lint.Edit{{File: at.File, Start: at.Start, End: at.End, Text: "pause"}}}))
	})
}
