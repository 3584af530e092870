package rules

import "github.com/galley-coop/galley/lint"

var c336 = lint.Rule{
	ID: "C336", Name: "no-cpu-limit",
	Summary:  "services have a processor limit",
	Severity: lint.Info,
	Off:      true,
	Check: func(p *lint.Pass) {
		reportMissing(p, noLimit("cpus", "cpus"), "can take all processors of its node", "deploy.resources.limits.cpus")
	},
}
