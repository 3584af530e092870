package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s218 = lint.Rule{
	ID: "S218", Name: "traefik-service",
	Summary:  "every traefik router leads to one service that there is",
	Severity: lint.Error,
	Check:    checkTraefikService,
}

// checkTraefikService looks at services with labels that define traefik services
// only: the others have one that is named after them. A name with @ is another
// provider's.
func checkTraefikService(p *lint.Pass) {
	eachDeployStack(p, "traefik.", func(f *deployFinder, s *deployStack) {
		var all []traefikLabels
		services := s.everyService()
		for _, service := range services {
			all = append(all, service.traefik())
		}
		for i, service := range services {
			if _, on := all[i].routes(s); on && !all[i].old {
				checkRouterServices(f, service, all, all[i])
			}
		}
	})
}

func checkRouterServices(f *deployFinder, s deployService, all []traefikLabels, labels traefikLabels) {
	for _, protocol := range []string{"http", "tcp", "udp"} {
		defined, routers := distinctServices(labels.of(protocol, "services")), labels.of(protocol, "routers")
		for _, router := range optionNames(routers) {
			target, named := findOption(routers, router.name, "service")
			switch {
			case len(defined) == 0:
			case !named && len(defined) > 1:
				from := router.fieldAt - 1 - len(router.name)
				f.report(router.label.namePlace(from, from+len(router.name)), fmt.Sprintf("router %q of service %q does not say which of %s it leads to, so traefik drops it; expected traefik.%s.routers.%s.service",
					router.name, s.name, either(optionWords(defined)), protocol, router.name))
			case named && !definedAnywhere(all, protocol, target.label.value):
				value := target.label.value
				f.report(target.label.valuePlace(0, len(value)), fmt.Sprintf("router %q leads to the service %q, which no label defines; expected %s",
					router.name, value, either(optionWords(defined))))
			}
		}
	}
}

// distinctServices are services with names that differ whatever the variables in
// them are.
func distinctServices(options []traefikOption) []traefikOption {
	var found []traefikOption
	seen := map[string]bool{}
	for _, o := range options {
		if name := fallback(o.name); !seen[name] {
			seen[name] = true
			found = append(found, o)
		}
	}
	return found
}

func optionWords(options []traefikOption) []string {
	var words []string
	for _, o := range options {
		words = append(words, fmt.Sprintf("%q", o.name))
	}
	return words
}

func definedAnywhere(all []traefikLabels, protocol, name string) bool {
	if strings.Contains(name, "@") || name == "" {
		return true
	}
	wanted := fallback(strings.TrimSpace(name))
	unknown := recipe.Variables(name)
	for _, labels := range all {
		for _, o := range labels.of(protocol, "services") {
			if fallback(o.name) == wanted {
				return true
			}
			// Names can be told apart when they have their variables in common.
			unknown = slices.DeleteFunc(unknown, func(v recipe.Variable) bool { return strings.Contains(o.name, v.Name) })
		}
	}
	return len(unknown) > 0
}
