package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
)

var s229 = lint.Rule{
	ID: "S229", Name: "dnsrr-ports",
	Summary:  "no service with endpoint_mode: dnsrr publishes ports by the routing mesh",
	Severity: lint.Error,
	Check:    checkDNSRRPorts,
}

func checkDNSRRPorts(p *lint.Pass) {
	eachDeployService(p, "dnsrr", func(f *deployFinder, s deployService) {
		node := s.get("deploy", "endpoint_mode")
		mode, known := deployText(node)
		ports := s.ingressPorts()
		if !known || mode != "dnsrr" || len(ports) == 0 {
			return
		}
		at := s.upper(ports[0], node)
		if at == node {
			f.report(deployPlace(node), fmt.Sprintf("endpoint_mode is %s, which a swarm refuses for service %q: the routing mesh publishes its ports; expected vip, or ports with mode: host", mode, s.name),
				relatedTo(ports[0], node, "a port")...)
			return
		}
		port := firstLine(at)
		f.report(port, fmt.Sprintf("port %s of service %q goes through the routing mesh, which a swarm refuses with endpoint_mode: dnsrr; expected vip, or mode: host",
			shorten(at.Document().Text.Slice(port)), s.name), relatedTo(node, at, "the endpoint_mode")...)
	})
}
