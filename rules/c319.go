package rules

import (
	"strings"

	"github.com/galley-coop/galley/lint"
)

var c319 = lint.Rule{
	ID: "C319", Name: "host-gateway",
	Summary:  "services that reach the host's own ports are few",
	Severity: lint.Info,
	Check:    checkHostGateway,
}

func checkHostGateway(p *lint.Pass) {
	const gateway = "host-gateway"
	said := places{}
	for _, service := range p.Services() {
		hosts := service.Node.Get("extra_hosts")
		for _, item := range hosts.Items() {
			if at := strings.Index(item.Text(), gateway); at > 0 && !said.again(item.Range()) {
				p.Reportf(item.Sub(at, at+len(gateway)), "host-gateway lets service %q reach what the host offers on its docker bridge; expected a service of the stack, or an address", service.Name)
			}
		}
		for _, value := range hosts.Pairs() {
			if value.Text() == gateway && !said.again(value.Range()) {
				p.Reportf(value.Range(), "host-gateway lets service %q reach what the host offers on its docker bridge; expected a service of the stack, or an address", service.Name)
			}
		}
	}
}
