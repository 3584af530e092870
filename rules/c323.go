package rules

import (
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var c323 = lint.Rule{
	ID: "C323", Name: "credential-in-url",
	Summary:  "no address in a compose file holds a password",
	Severity: lint.Warning,
	Check:    checkCredentialInURL,
}

func checkCredentialInURL(p *lint.Pass) {
	said := places{}
	for _, service := range p.Services() {
		look := func(_ []string, n recipe.Node) {
			if strings.Contains(n.Text(), "://") && strings.Contains(n.Text(), "@") {
				reportLogins(p, said, service.Name, n)
			}
		}
		for _, key := range []string{"environment", "command", "entrypoint", "healthcheck", "labels"} {
			service.Node.Get(key).Scalars(look)
		}
		service.Node.Get("deploy", "labels").Scalars(look)
	}
}

// reportLogins points at scheme and user, and leaves the password out.
func reportLogins(p *lint.Pass, said places, service string, n recipe.Node) {
	reading := values{}.expand(n.Text())
	for _, l := range logins(reading.text) {
		given := false
		for _, part := range reading.covering(l.pass, l.to) {
			given = given || part.unknown
		}
		pass := reading.text[l.pass:l.to]
		if given || strings.ContainsAny(pass, "$<{[") || strings.Trim(pass, "*.xX…") == "" {
			continue
		}
		from, to, ok := reading.source(l.from, l.pass-1)
		if !ok {
			continue
		}
		at := n.Sub(from, to)
		if !said.again(at) {
			p.Reportf(at, "the address %q… of service %q goes on with a password; expected one from a secret", shorten(n.Text()[from:to]), service)
		}
	}
}
