package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s215 = lint.Rule{
	ID: "S215", Name: "traefik-router-twice",
	Summary:  "no two services set up the same traefik router differently",
	Severity: lint.Error,
	Check:    checkTraefikRouterTwice,
}

// checkTraefikRouterTwice: traefik drops a router that is set up in two ways, so
// that neither service is reached.
func checkTraefikRouterTwice(p *lint.Pass) {
	type router struct {
		service string
		labels  traefikLabels
		at      recipe.Range
	}
	eachDeployStack(p, "traefik.", func(f *deployFinder, s *deployStack) {
		first := map[string]router{}
		for _, service := range s.everyService() {
			labels := service.traefik()
			if _, on := labels.routes(s); !on {
				continue
			}
			for _, protocol := range []string{"http", "tcp", "udp"} {
				routers := labels.of(protocol, "routers")
				for _, o := range optionNames(routers) {
					from := o.fieldAt - 1 - len(o.name)
					r := router{service.name, labels, o.label.namePlace(from, from+len(o.name))}
					before, ok := first[protocol+" "+o.name]
					if !ok {
						first[protocol+" "+o.name] = r
						continue
					}
					if routerSetup(before.labels, protocol, o.name) != routerSetup(labels, protocol, o.name) {
						f.report(r.at, fmt.Sprintf("router %q of service %q is set up differently by service %q, so traefik drops both; expected a name of its own",
							o.name, service.name, before.service), lint.WithRelated(before.at, "the other router of that name"))
					}
				}
			}
		}
	})
}

// everyService lists all services of a stack, also those that its last overlay
// has no word on.
func (s *deployStack) everyService() []deployService {
	all := *s
	all.extra = false
	services := all.services()
	for i := range services {
		services[i].stack = s
	}
	return services
}

// routerSetup is all that decides what a router does, as text to compare: its
// options in order, and the service that it gets when it names none.
func routerSetup(labels traefikLabels, protocol, name string) string {
	var setup strings.Builder
	named := false
	fields := map[string]string{}
	for _, o := range labels.of(protocol, "routers") {
		if o.name == name {
			fields[o.field] = o.label.value
			named = named || o.field == "service"
		}
	}
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		fmt.Fprintf(&setup, "%s=%q ", field, fields[field])
	}
	if !named {
		for _, o := range optionNames(labels.of(protocol, "services")) {
			setup.WriteString(o.name + " ")
		}
	}
	return setup.String()
}
