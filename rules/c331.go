package rules

import (
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var c331 = lint.Rule{
	ID: "C331", Name: "plain-http-router",
	Summary:  "no Traefik router serves an app without TLS",
	Severity: lint.Info,
	Check:    checkPlainHTTP,
}

// checkPlainHTTP looks at routers that name the plain entrypoint alone. One with
// a middleware may be there to redirect.
func checkPlainHTTP(p *lint.Pass) {
	for _, service := range p.Services() {
		for _, labels := range []recipe.Node{service.Node.Get("labels"), service.Node.Get("deploy", "labels")} {
			reportPlainRouters(p, service.Name, labels)
		}
	}
}

func reportPlainRouters(p *lint.Pass, service string, labels recipe.Node) {
	plain, excused := map[string]envSetting{}, map[string]bool{}
	var order []string
	eachSetting(labels, func(s envSetting) {
		rest, ok := strings.CutPrefix(strings.ToLower(s.name), "traefik.http.routers.")
		if !ok {
			return
		}
		router, option, _ := strings.Cut(rest, ".")
		if at := strings.LastIndex(rest, "}."); at >= 0 {
			router, option = rest[:at+1], rest[at+2:]
		}
		switch {
		case option == "entrypoints" && onlyPlain(fallback(s.value)):
			plain[router] = s
			order = append(order, router)
		case option == "middlewares", option == "tls" && !falsy(s.value), strings.HasPrefix(option, "tls."):
			excused[router] = true
		}
	})
	for _, router := range order {
		if s := plain[router]; !excused[router] {
			p.Reportf(s.place(0, len(s.value)), "entrypoint %q is the only one of router %q in service %q: passwords and cookies cross the network in clear; expected an entrypoint with TLS, or a redirect",
				s.value, router, service)
		}
	}
}

// onlyPlain tells whether all entrypoints of a list are of the names that those
// on port 80 have.
func onlyPlain(list string) bool {
	for name := range strings.SplitSeq(list, ",") {
		switch strings.TrimSpace(name) {
		case "web", "http", "insecure":
		default:
			return false
		}
	}
	return true
}
