package rules

import "github.com/galley-coop/galley/lint"

var c309 = lint.Rule{
	ID: "C309", Name: "host-ipc",
	Summary:  "no service shares the host's memory segments",
	Severity: lint.Warning,
	Check:    func(p *lint.Pass) { reportHost(p, "ipc", "the shared memory of the host's processes") },
}
