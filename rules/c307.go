package rules

import (
	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var c307 = lint.Rule{
	ID: "C307", Name: "host-network",
	Summary:  "no service is on the host's own network",
	Severity: lint.Warning,
	Check:    checkHostNetwork,
}

// checkHostNetwork knows both forms: network_mode of a single host, and the
// network named host, which is the one that swarm takes.
func checkHostNetwork(p *lint.Pass) {
	reportHost(p, "network_mode", "all of the host's addresses and ports")
	said := places{}
	for _, service := range p.Services() {
		attached := service.Node.Get("networks")
		for _, item := range attached.Items() {
			if isHostNetwork(p, service, item.Text()) && !said.again(item.Range()) {
				reportHostNetwork(p, item.Range(), item.Text(), service.Name)
			}
		}
		for name, options := range attached.Pairs() {
			if isHostNetwork(p, service, name) && !said.again(options.KeyRange()) {
				reportHostNetwork(p, options.KeyRange(), name, service.Name)
			}
		}
	}
}

func reportHostNetwork(p *lint.Pass, at recipe.Range, network, service string) {
	p.Reportf(at, "network %q is the host's own: service %q has all of the host's addresses and ports, those on 127.0.0.1 too; expected an overlay network", network, service)
}

// isHostNetwork looks a network up in the service's file, then in the base.
func isHostNetwork(p *lint.Pass, service lint.Service, name string) bool {
	n := service.Document.Lookup("networks", name)
	if !n.Exists() && p.Recipe.Base != nil {
		n = p.Recipe.Base.Lookup("networks", name)
	}
	external := n.Get("external")
	if external.IsMap() {
		return external.Get("name").Text() == "host"
	}
	if !truthy(external.Text()) {
		return false
	}
	if given := n.Get("name"); given.Exists() {
		return fallback(given.Text()) == "host"
	}
	return name == "host"
}
