package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
)

var s214 = lint.Rule{
	ID: "S214", Name: "traefik-network-name",
	Summary:  "traefik.docker.network names a network that the service is on",
	Severity: lint.Warning,
	Check:    checkTraefikNetworkName,
}

// checkTraefikNetworkName compares with what networks are called on the swarm:
// those that a stack makes have its name in front.
func checkTraefikNetworkName(p *lint.Pass) {
	eachDeployService(p, "traefik.", func(f *deployFinder, s deployService) {
		label := s.traefik().network
		if label.name == "" || !s.complete() {
			return
		}
		value := values{}.expand(strings.TrimSpace(label.value))
		if value.guessed() || value.text == "" {
			return
		}
		var names []string
		for _, key := range s.networks() {
			name, known := s.stack.networkName(key)
			if !known || name == value.text || name == "" && strings.HasSuffix(value.text, "_"+key) {
				return
			}
			if name == "" {
				name = "<stack>_" + key
			}
			names = append(names, fmt.Sprintf("%q", name))
		}
		f.report(label.at(), fmt.Sprintf("label %q names the network %q, which service %q is not on; expected %s", label.name, value.text, s.name, either(names)))
	})
}

// networkName is what a network is called on the swarm, "" for one that has the
// stack's name in front; not known where a variable decides.
func (s *deployStack) networkName(key string) (name string, known bool) {
	n := s.network(key)
	if own := n.Get("name"); own.Exists() {
		return deployText(own)
	}
	external := n.Get("external")
	if own := external.Get("name"); own.Exists() {
		return deployText(own)
	}
	if external.Exists() && external.Text() != "false" {
		return key, true
	}
	return "", true
}
