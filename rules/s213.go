package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s213 = lint.Rule{
	ID: "S213", Name: "traefik-network",
	Summary:  "a service that traefik routes to shares a network with it",
	Severity: lint.Warning,
	Check:    checkTraefikNetwork,
}

// checkTraefikNetwork looks for a network that can be traefik's too: one of
// another stack, one with a name that another stack can use, or one that the
// traefik of this stack is on.
func checkTraefikNetwork(p *lint.Pass) {
	eachDeployService(p, "traefik.", func(f *deployFinder, s deployService) {
		labels := s.traefik()
		why, on := labels.routes(s.stack)
		if !on || !s.complete() || s.imageName() == "traefik" || len(labels.options) == 0 {
			return
		}
		networks := s.networks()
		for _, name := range networks {
			if s.stack.sharedNetwork(name) || s.stack.traefikOn(name) {
				return
			}
		}
		at, said := why.at(), fmt.Sprintf("%q", shorten(labelText(why)))
		if own := s.upper(s.all("networks")...); own.Exists() {
			at, said = own.KeyRange(), "networks"
		}
		f.report(at, fmt.Sprintf("%s: service %q is on no network that traefik can be on; expected an external one such as proxy", said, s.name))
	})
}

// networks are the keys of the service's networks, "default" without any.
func (s deployService) networks() []string {
	var names []string
	for _, list := range s.all("networks") {
		for _, item := range list.Items() {
			names = append(names, item.Text())
		}
		for name := range list.Pairs() {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return []string{"default"}
	}
	return names
}

// sharedNetwork tells whether stacks beside this one can be on a network.
func (s *deployStack) sharedNetwork(key string) bool {
	n := s.network(key)
	external := n.Get("external")
	return external.Exists() && external.Text() != "false" || n.Get("name").Exists()
}

func (s *deployStack) network(key string) recipe.Node {
	for _, d := range s.files {
		if n := d.Lookup("networks", key); n.IsMap() {
			return n
		}
	}
	return recipe.Node{}
}

// traefikOn tells whether a traefik of this stack is on a network.
func (s *deployStack) traefikOn(key string) bool {
	for _, service := range s.services() {
		if service.imageName() != "traefik" {
			continue
		}
		for _, name := range service.networks() {
			if name == key {
				return true
			}
		}
	}
	return false
}
