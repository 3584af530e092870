package rules

import (
	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var c318 = lint.Rule{
	ID: "C318", Name: "no-user",
	Summary:  "services say which user they run as",
	Severity: lint.Info,
	Off:      true,
	Check: func(p *lint.Pass) {
		reportMissing(p, func(service recipe.Node) bool { return service.Get("user").Text() == "" },
			"runs as the user of its image, which is root as a rule", "user: with a number that is not 0")
	},
}
