package rules

import "github.com/galley-coop/galley/lint"

var c324 = lint.Rule{
	ID: "C324", Name: "credential-in-command",
	Summary:  "no command or health check holds a credential",
	Severity: lint.Warning,
	Check:    checkCredentialInCommand,
}

func checkCredentialInCommand(p *lint.Pass) {
	said := places{}
	for _, service := range p.Services() {
		eachCommand(service, func(key string, words []commandWord) {
			for _, a := range credentialArguments(words) {
				if a.written() && !said.again(a.place()) {
					p.Reportf(a.place(), "%s in the %s of service %q is followed by a credential, for everybody who reads the file or lists processes; expected one from a secret",
						a.shown(), key, service.Name)
				}
			}
		})
	}
}
