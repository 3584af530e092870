package rules

import (
	"strings"

	"github.com/galley-coop/galley/lint"
)

var c338 = lint.Rule{
	ID: "C338", Name: "no-authentication",
	Summary:  "no service is told to let everybody in",
	Severity: lint.Warning,
	Check:    checkNoAuthentication,
}

func checkNoAuthentication(p *lint.Pass) {
	said := places{}
	for _, service := range p.Services() {
		eachSetting(service.Node.Get("environment"), func(s envSetting) {
			if s.value != "" && letsIn(s.name, fallback(s.value)) && !said.again(s.namePlace()) {
				p.Reportf(s.namePlace(), "%s=%s lets everybody into service %q who reaches it, without a password; expected one from a secret", s.name, shorten(s.value), service.Name)
			}
		})
	}
}

// letsIn knows the switches of servers that ask for a password by default.
func letsIn(name, value string) bool {
	switch name {
	case "POSTGRES_HOST_AUTH_METHOD":
		return value == "trust"
	case "xpack.security.enabled", "plugins.security.enabled":
		return falsy(value)
	case "NEO4J_AUTH":
		return value == "none"
	case "MYSQL_ALLOW_EMPTY_PASSWORD", "MARIADB_ALLOW_EMPTY_ROOT_PASSWORD", "ALLOW_EMPTY_PASSWORD", "ALLOW_ANONYMOUS_LOGIN",
		"DISABLE_SECURITY_PLUGIN", "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED", "GF_AUTH_ANONYMOUS_ENABLED":
		return value != "" && !falsy(strings.TrimSpace(value))
	}
	return false
}
