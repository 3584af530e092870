package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
)

var s220 = lint.Rule{
	ID: "S220", Name: "update-failure-action",
	Summary:  "a failed update is rolled back, not left as it is",
	Severity: lint.Warning,
	Check:    checkUpdateFailureAction,
}

// failureActions are those that leave a broken update behind, and what comes of
// each.
var failureActions = map[string]string{
	"pause":    "stops half way with the broken version in place",
	"continue": "goes on, and counts as completed though nothing works",
}

func checkUpdateFailureAction(p *lint.Pass) {
	eachDeployService(p, "failure_action", func(f *deployFinder, s deployService) {
		node := s.get("deploy", "update_config", "failure_action")
		action, known := deployText(node)
		outcome := failureActions[action]
		if !known || outcome == "" {
			return
		}
		at := deployPlace(node)
		f.report(at, fmt.Sprintf("failure_action is %q: a failed update of service %q %s; expected rollback", action, s.name, outcome),
			lint.WithFix(lint.Fix{Message: "roll a failed update back", Edits: []lint.Edit{{File: at.File, Start: at.Start, End: at.End, Text: "rollback"}}}))
	})
}
