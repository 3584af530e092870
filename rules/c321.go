package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
)

var c321 = lint.Rule{
	ID: "C321", Name: "default-credential",
	Summary:  "no service starts with a password that everybody tries first",
	Severity: lint.Warning,
	Check:    checkDefaultCredential,
}

func checkDefaultCredential(p *lint.Pass) {
	eachCredential(p, func(service lint.Service, s envSetting, reading expansion) {
		why := guessable(service, reading.text)
		if why == "" {
			return
		}
		from, to, ok := reading.source(0, len(reading.text))
		if !ok {
			return
		}
		fallen := ""
		if name := reading.byDefault(); name != "" {
			fallen = fmt.Sprintf(", the default of ${%s},", name)
		}
		p.Reportf(s.place(from, to), "the value %q of %s in service %q%s %s; expected a secret", reading.text, s.name, service.Name, fallen, why)
	})
}
