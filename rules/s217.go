package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/galley-coop/galley/lint"
)

var s217 = lint.Rule{
	ID: "S217", Name: "traefik-option",
	Summary:  "traefik labels use options that traefik knows",
	Severity: lint.Error,
	Check:    checkTraefikOption,
}

// routerOptions are what a router can be told, by protocol; those of services
// are the same for all that matters here. Options below them are not judged.
var routerOptions = map[string][]string{
	"http": {"rule", "rulesyntax", "entrypoints", "middlewares", "service", "priority", "tls", "observability", "parentrefs"},
	"tcp":  {"rule", "rulesyntax", "entrypoints", "middlewares", "service", "priority", "tls"},
	"udp":  {"entrypoints", "service"},
}

var serviceOptions = []string{"loadbalancer", "weighted", "mirroring", "failover", "highestrandomweight"}

var balancerOptions = []string{
	"server", "servers", "sticky", "healthcheck", "passivehealthcheck", "passhostheader", "responseforwarding",
	"serverstransport", "strategy", "terminationdelay", "proxyprotocol", "preservepath",
}

// checkTraefikOption: one unknown option makes traefik leave out all labels of
// the service.
func checkTraefikOption(p *lint.Pass) {
	eachDeployService(p, "traefik.", func(f *deployFinder, s deployService) {
		for _, o := range s.traefik().options {
			steps := strings.Split(o.field, ".")
			at, known := 0, []string(nil)
			switch {
			case o.kind == "routers":
				known = routerOptions[o.protocol]
			case o.kind == "services" && steps[0] == "loadbalancer" && len(steps) > 1:
				at, known = 1, balancerOptions
			case o.kind == "services":
				known = serviceOptions
			}
			// servers[0], domains[1].main
			name, _, _ := strings.Cut(steps[at], "[")
			if known == nil || name == "" || strings.Contains(name, "$") || slices.Contains(known, name) {
				continue
			}
			from := o.fieldAt + len(strings.Join(steps[:at], "."))
			if at > 0 {
				from++
			}
			f.report(o.label.namePlace(from, from+len(name)), fmt.Sprintf("label %q: traefik knows no option %q there and leaves out all labels of service %q; %s",
				o.label.name, o.label.name[from:from+len(name)], s.name, meant(name, known)))
		}
	})
}

// meantInstead are options that were meant by others that nobody would find by
// their letters.
var meantInstead = map[string]string{
	"certresolver": "tls.certresolver", "entrypoint": "entrypoints", "middleware": "middlewares",
	"port": portField, "domains": "tls.domains", "passthrough": "tls.passthrough", "rules": "rule", "host": "rule",
}

func meant(name string, known []string) string {
	instead := meantInstead[name]
	if slices.Contains(known, "server") && name == "port" {
		instead = "server.port"
	}
	if instead != "" {
		return fmt.Sprintf("expected %q", instead)
	}
	return "expected " + either(known)
}
