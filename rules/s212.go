package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
)

var s212 = lint.Rule{
	ID: "S212", Name: "traefik-rule-missing",
	Summary:  "every traefik router has a rule",
	Severity: lint.Warning,
	Check:    checkTraefikRuleMissing,
}

// checkTraefikRuleMissing: a router without a rule gets traefik's default, a
// host named after the service, which hardly anybody means.
func checkTraefikRuleMissing(p *lint.Pass) {
	eachDeployService(p, "traefik.", func(f *deployFinder, s deployService) {
		labels := s.traefik()
		why, on := labels.routes(s.stack)
		if !on || labels.old || !s.complete() {
			return
		}
		routers := labels.of("http", "routers")
		for _, router := range optionNames(routers) {
			if _, ok := findOption(routers, router.name, "rule"); ok {
				continue
			}
			from := router.fieldAt - 1 - len(router.name)
			f.report(router.label.namePlace(from, from+len(router.name)), fmt.Sprintf("router %q of service %q has no rule, so traefik waits for a host named after the service; expected traefik.http.routers.%s.rule",
				router.name, s.name, router.name))
		}
		other := len(labels.of("tcp", "routers")) + len(labels.of("udp", "routers")) + len(labels.of("http", "middlewares"))
		if len(routers) == 0 && other == 0 && s.seenService(labels) {
			f.report(why.at(), fmt.Sprintf("%q, but no router leads to service %q; expected traefik.http.routers.<name>.rule", shorten(labelText(why)), s.name))
		}
	})
}

// seenService tells whether the labels give a port: without one S211 speaks.
func (s deployService) seenService(labels traefikLabels) bool {
	for _, o := range labels.of("http", "services") {
		if o.field == portField {
			return true
		}
	}
	return false
}
