package rules

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/galley-coop/galley/lint"
)

var s211 = lint.Rule{
	ID: "S211", Name: "traefik-port",
	Summary:  "a service that traefik routes to says its port",
	Severity: lint.Error,
	Check:    checkTraefikPort,
}

const portField = "loadbalancer.server.port"

// checkTraefikPort: on a swarm traefik cannot find a port by itself, and drops
// all labels of a service that has none, its middlewares included. A service
// with tcp or udp routers alone has its port with these.
func checkTraefikPort(p *lint.Pass) {
	eachDeployService(p, "traefik.", func(f *deployFinder, s deployService) {
		labels := s.traefik()
		why, on := labels.routes(s.stack)
		if !on || labels.old || !s.complete() {
			return
		}
		http, port := len(labels.of("http", "routers"))+len(labels.of("http", "middlewares")) > 0, false
		for _, o := range labels.options {
			if o.kind != "services" {
				continue
			}
			says := o.field == portField || o.field == "loadbalancer.server.url"
			port = port || says && (o.protocol == "http" || !http)
			if o.field == portField {
				checkPortNumber(f, s, labels, o)
			}
		}
		if !port {
			f.report(why.at(), fmt.Sprintf("%q, but no label gives service %q a port; expected traefik.http.services.<name>.%s=<port>, without which traefik drops all of its labels",
				shorten(labelText(why)), s.name, portField))
		}
	})
}

// labelText is the label as the file has it.
func labelText(l deployLabel) string {
	if l.pair {
		return l.name
	}
	return l.node.Text()
}

func checkPortNumber(f *deployFinder, s deployService, labels traefikLabels, o traefikOption) {
	value := strings.TrimSpace(o.label.value)
	if strings.Contains(value, "$") || onlyInternal(labels) {
		return
	}
	if n, err := strconv.Atoi(value); err == nil && n > 0 && n < 65536 {
		return
	}
	f.report(o.label.at(), fmt.Sprintf("label %q gives service %q the port %q; expected a number from 1 to 65535", o.label.name, s.name, value))
}

// onlyInternal tells whether all routers lead to traefik's own services, and the
// port is one for form's sake.
func onlyInternal(labels traefikLabels) bool {
	routers := labels.of("http", "routers")
	for _, router := range optionNames(routers) {
		service, ok := findOption(routers, router.name, "service")
		if !ok || !strings.HasSuffix(service.label.value, "@internal") {
			return false
		}
	}
	return len(routers) > 0
}
