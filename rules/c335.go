package rules

import "github.com/galley-coop/galley/lint"

var c335 = lint.Rule{
	ID: "C335", Name: "no-memory-limit",
	Summary:  "services have a memory limit",
	Severity: lint.Info,
	Off:      true,
	Check: func(p *lint.Pass) {
		reportMissing(p, noLimit("memory", "mem_limit"), "can take all memory of its node", "deploy.resources.limits.memory")
	},
}
