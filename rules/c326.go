package rules

import (
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var c326 = lint.Rule{
	ID: "C326", Name: "credential-in-label",
	Summary:  "no label holds a credential",
	Severity: lint.Warning,
	Check:    checkCredentialInLabel,
}

// checkCredentialInLabel takes the hashes that Traefik's basicauth wants for no
// credential, and a password in their place for one.
func checkCredentialInLabel(p *lint.Pass) {
	said := places{}
	for _, service := range p.Services() {
		for _, labels := range []recipe.Node{service.Node.Get("labels"), service.Node.Get("deploy", "labels")} {
			eachSetting(labels, func(s envSetting) {
				name := strings.ToLower(s.name)
				users := strings.HasSuffix(name, "basicauth.users") || strings.HasSuffix(name, "digestauth.users")
				if s.value == "" || !users && !secretName(s.name) {
					return
				}
				reading, ok := s.literal()
				if !ok || users && !plainUser(reading.text) || !users && !credential(s.name, reading.text) || said.again(s.namePlace()) {
					return
				}
				p.Reportf(s.namePlace(), "label %q of service %q has a credential as its value, for everybody who reads the file; expected %s",
					shorten(s.name), service.Name, instead(users))
			})
		}
	}
}

func instead(users bool) string {
	if users {
		return "a hash, or a usersFile from a secret"
	}
	return "one from a secret"
}

// plainUser tells whether one of "user:password,user:password" is no hash. The
// hashes of htpasswd hold a dollar, which the caller has ruled out, start with
// {SHA}, or are 32 digits behind a realm.
func plainUser(users string) bool {
	for user := range strings.SplitSeq(users, ",") {
		_, hash, ok := strings.Cut(strings.TrimSpace(user), ":")
		if ok && hash != "" && !strings.HasPrefix(hash, "{SHA}") && !strings.Contains(hash, ":") {
			return true
		}
	}
	return false
}
