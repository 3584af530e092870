package rules

import "github.com/galley-coop/galley/lint"

var c308 = lint.Rule{
	ID: "C308", Name: "host-pid",
	Summary:  "no service sees the host's processes",
	Severity: lint.Warning,
	Check: func(p *lint.Pass) {
		reportHost(p, "pid", "the sight of all processes of the host, and the environment of those that run as its user")
	},
}
