package rules

import (
	"strings"

	"github.com/galley-coop/galley/lint"
)

var c329 = lint.Rule{
	ID: "C329", Name: "ignored-address",
	Summary:  "no published port relies on an address, which swarm drops",
	Severity: lint.Warning,
	Check:    checkIgnoredAddress,
}

// checkIgnoredAddress looks at the short form. host_ip in the long one is
// refused, and S203 says so.
func checkIgnoredAddress(p *lint.Pass) {
	eachPort(p, func(o openPort) {
		if o.node.Key() != "" || everyAddress(o.host) {
			return
		}
		open := "swarm opens it on all of them"
		if loopback(o.host) {
			open = "swarm opens it to the whole network"
		}
		at := o.node.Range()
		if i := strings.Index(o.node.Text(), o.host); i >= 0 {
			at = o.node.Sub(i, i+len(o.host))
		}
		p.Reportf(at, "the address %q of port %q in service %q is ignored: %s; expected no published port, or a firewall rule", o.host, o.written(), o.service, open)
	})
}
