package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
)

var s221 = lint.Rule{
	ID: "S221", Name: "update-failure-unset",
	Summary:  "an update_config says what happens when the update fails",
	Severity: lint.Info,
	Check:    checkUpdateFailureUnset,
}

func checkUpdateFailureUnset(p *lint.Pass) {
	eachDeployService(p, "update_config", func(f *deployFinder, s deployService) {
		if !s.complete() {
			return
		}
		update := s.upper(s.all("deploy", "update_config")...)
		if !update.IsMap() || s.get("deploy", "update_config", "failure_action").Exists() {
			return
		}
		f.report(update.KeyRange(), fmt.Sprintf("update_config of service %q has no failure_action, so a failed update pauses half way; expected failure_action: rollback", s.name))
	})
}
