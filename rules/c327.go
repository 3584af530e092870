package rules

import "github.com/galley-coop/galley/lint"

var c327 = lint.Rule{
	ID: "C327", Name: "internal-port",
	Summary:  "no database, queue or control port is published",
	Severity: lint.Warning,
	Check:    checkInternalPort,
}

func checkInternalPort(p *lint.Pass) {
	eachPort(p, func(o openPort) {
		what := internalPorts[o.target]
		if what == "" || o.udp || !everyAddress(o.host) {
			return
		}
		p.Reportf(o.node.Range(), "port %q opens %s in service %q %s; expected it on the stack's own network only",
			o.written(), what, o.service, o.where())
	})
}
