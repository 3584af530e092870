package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
)

var s228 = lint.Rule{
	ID: "S228", Name: "host-port-replicas",
	Summary:  "no service with a port in host mode has more than one replica",
	Severity: lint.Warning,
	Check:    checkHostPortReplicas,
}

// checkHostPortReplicas leaves out services that say themselves that a node has
// one replica.
func checkHostPortReplicas(p *lint.Pass) {
	eachDeployService(p, "replicas", func(f *deployFinder, s deployService) {
		replicas, count, known := s.replicas()
		ports := s.hostPorts()
		if !known || count < 2 || len(ports) == 0 || s.get("deploy", "placement", "max_replicas_per_node").Exists() {
			return
		}
		port := ports[0]
		at := s.upper(replicas, port.mode)
		r := place(at)
		if at == replicas {
			r = deployPlace(at)
		}
		f.report(r, fmt.Sprintf("service %q has replicas: %d and takes port %s of its node with mode: host, so that on a swarm of fewer nodes some stay pending; expected mode: global, or max_replicas_per_node: 1",
			s.name, count, port.published.Text()), relatedTo(port.mode, at, "the port in host mode")...)
	})
}
