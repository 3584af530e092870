package rules

import (
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

// securityRules are C301 to C339: what a service may do to its host and to other
// services, who can read its credentials, and what is open to the network.
func securityRules() []lint.Rule {
	return []lint.Rule{
		c301, c302, c303, c304, c305, c306, c307, c308, c309, c310, c311, c312, c313,
		c314, c315, c316, c317, c318, c319, c320, c321, c322, c323, c324, c325, c326,
		c327, c328, c329, c330, c331, c332, c333, c334, c335, c336, c337, c338, c339,
	}
}

// places remembers where something was reported: what stands behind an anchor is
// written once, whatever the number of services that use it.
type places map[recipe.Range]bool

func (s places) again(r recipe.Range) bool {
	was := s[r]
	s[r] = true
	return was
}

// eachDefinition calls use for the services that a file defines, and not for
// those that an overlay changes: what a patch does not say, its base may.
func eachDefinition(p *lint.Pass, use func(lint.Service)) {
	for _, service := range p.Services() {
		switch {
		case !service.Node.IsMap() || service.Node.Get("extends").Exists():
		case service.Overlay && definedElsewhere(p, service):
		default:
			use(service)
		}
	}
}

// reportMissing reports services without a key that hardens them, with what the
// lack means and what was expected.
func reportMissing(p *lint.Pass, missing func(recipe.Node) bool, lack, expected string) {
	eachDefinition(p, func(service lint.Service) {
		if missing(service.Node) {
			p.Reportf(service.Node.KeyRange(), "service %q %s; expected %s", service.Name, lack, expected)
		}
	})
}

// noLimit tells of a service whether nothing limits a resource, in the form of a
// stack or in the older one of a single host.
func noLimit(resource, older string) func(recipe.Node) bool {
	return func(service recipe.Node) bool {
		return service.Get("deploy", "resources", "limits", resource).Text() == "" && service.Get(older).Text() == ""
	}
}

// reportHost reports services whose key is "host", which puts them into a
// namespace of the host's. The keys are those that docker stack deploy drops.
func reportHost(p *lint.Pass, key, effect string) {
	said := places{}
	for _, service := range p.Services() {
		value := service.Node.Get(key)
		if value.IsScalar() && fallback(value.Text()) == "host" && !said.again(value.Range()) {
			p.Reportf(value.Range(), "%s: %s %s %q %s, and a swarm ignores it; expected no %s", key, shorten(value.Text()), "gives service", service.Name, effect, key)
		}
	}
}

// truthy tells whether a value switches something on.
func truthy(value string) bool {
	switch strings.ToLower(strings.TrimSpace(value)) {
	case "true", "1", "yes", "on", "y", "t":
		return true
	}
	return false
}

// falsy tells whether a value switches something off.
func falsy(value string) bool {
	switch strings.ToLower(strings.TrimSpace(value)) {
	case "false", "0", "no", "off", "n", "f":
		return true
	}
	return false
}

// spokenOf tells whether a security rule has a word for a service's key with a
// value that a swarm drops or refuses: S203 then need not say so too.
func spokenOf(path []string, n recipe.Node) bool {
	if len(path) != 3 || path[0] != "services" {
		return false
	}
	switch last(path) {
	case "privileged":
		return truthy(fallback(n.Text()))
	case "network_mode", "pid", "ipc", "userns_mode", "uts", "cgroup":
		return fallback(n.Text()) == "host"
	case "cgroup_parent":
		return n.Text() != ""
	case "security_opt":
		for _, item := range n.Items() {
			if unconfined(item.Text()) {
				return true
			}
		}
	case "devices":
		for _, item := range n.Items() {
			if path, _ := devicePath(item); diskOrMemory(path) != "" {
				return true
			}
		}
	}
	return false
}

// quote is %q for a part of a message.
func quote(s string) string { return `"` + s + `"` }
