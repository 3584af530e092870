package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
)

var s227 = lint.Rule{
	ID: "S227", Name: "start-first-host-port",
	Summary:  "no service with a port in host mode is updated with order: start-first",
	Severity: lint.Warning,
	Check:    checkStartFirstHostPort,
}

func checkStartFirstHostPort(p *lint.Pass) {
	eachDeployService(p, "start-first", func(f *deployFinder, s deployService) {
		order, first := s.startFirst()
		ports := s.hostPorts()
		if !first || len(ports) == 0 {
			return
		}
		published := ports[0].published
		at := s.upper(order, ports[0].mode)
		if at == order {
			f.report(deployPlace(order), fmt.Sprintf("order: start-first, but the node's port %s is taken by the old task of service %q, so the new one cannot start beside it; expected stop-first",
				published.Text(), s.name), append(relatedTo(ports[0].mode, order, "the port in host mode"), stopFirst(order)...)...)
			return
		}
		f.report(place(at), fmt.Sprintf("mode: host takes port %s of the node, and with order: start-first the new task of service %q cannot start beside the old one; expected order: stop-first",
			published.Text(), s.name), relatedTo(order, at, "the order")...)
	})
}
