package rules

import "github.com/galley-coop/galley/lint"

var c337 = lint.Rule{
	ID: "C337", Name: "no-pids-limit",
	Summary:  "services have a limit of processes",
	Severity: lint.Info,
	Off:      true,
	Check: func(p *lint.Pass) {
		reportMissing(p, noLimit("pids", "pids_limit"), "can start processes until its node has no more", "deploy.resources.limits.pids")
	},
}
