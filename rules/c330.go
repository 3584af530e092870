package rules

import (
	"strings"

	"github.com/galley-coop/galley/lint"
)

var c330 = lint.Rule{
	ID: "C330", Name: "traefik-open-api",
	Summary:  "Traefik's API and dashboard are not open without a login",
	Severity: lint.Warning,
	Check:    checkTraefikAPI,
}

func checkTraefikAPI(p *lint.Pass) {
	said := places{}
	for _, service := range p.Services() {
		eachCommand(service, func(_ string, words []commandWord) {
			for _, w := range words {
				name, value, assigned := strings.Cut(w.text, "=")
				if !strings.EqualFold(strings.TrimLeft(name, "-"), "api.insecure") || !strings.HasPrefix(name, "-") {
					continue
				}
				if assigned && !truthy(fallback(value)) || said.again(w.place(0, len(name))) {
					continue
				}
				p.Reportf(w.place(0, len(name)), openAPI, name, service.Name)
			}
		})
		eachSetting(service.Node.Get("environment"), func(s envSetting) {
			if s.name == "TRAEFIK_API_INSECURE" && truthy(fallback(s.value)) && !said.again(s.namePlace()) {
				p.Reportf(s.namePlace(), openAPI, s.name, service.Name)
			}
		})
	}
}

const openAPI = "%s opens the API and dashboard of service %q on port 8080 to everybody who reaches it, without a login; expected a router for api@internal with an auth middleware"
