package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
)

var c320 = lint.Rule{
	ID: "C320", Name: "plaintext-credential",
	Summary:  "no credential stands in a compose file",
	Severity: lint.Warning,
	Check:    checkPlaintextCredential,
}

// checkPlaintextCredential leaves to C321 what needs no reading to be known, and
// does not repeat the value.
func checkPlaintextCredential(p *lint.Pass) {
	eachCredential(p, func(service lint.Service, s envSetting, reading expansion) {
		if guessable(service, reading.text) != "" {
			return
		}
		where := "its value"
		if name := reading.byDefault(); name != "" {
			where = fmt.Sprintf("a default, that of ${%s},", name)
		}
		p.Reportf(s.namePlace(), "variable %q of service %q has %s in the compose file, for everybody who reads it; expected a secret", s.name, service.Name, where)
	})
}
