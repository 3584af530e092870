package rules

import (
	"slices"

	"github.com/galley-coop/galley/lint"
)

var i402 = lint.Rule{
	ID: "I402", Name: "foreign-registry",
	Summary:  "images come from the registries that the project allows",
	Severity: lint.Warning,
	Check:    checkForeignRegistry,
}

// checkForeignRegistry is silent without a list of registries.
func checkForeignRegistry(p *lint.Pass) {
	if len(p.Settings.Registries) == 0 {
		return
	}
	eachImage(p, func(i image) bool {
		ref, ok := i.reference()
		if !ok || slices.Contains(p.Settings.Registries, ref.Domain) {
			return false
		}
		i.reportName(p, "image %q of service %q comes from %s; expected one from %s", shorten(i.name()), i.service, ref.Domain, either(p.Settings.Registries))
		return true
	})
}
