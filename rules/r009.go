package rules

import (
	"strings"

	"github.com/galley-coop/galley/lint"
)

var r009 = lint.Rule{
	ID: "R009", Name: "app-service",
	Summary:    "the compose file has one service named app",
	Severity:   lint.Error,
	RecipeOnly: true,
	Check:      checkAppService,
}

// checkAppService leaves a second "app" to S201: it is a key written twice.
func checkAppService(p *lint.Pass) {
	if !parsed(p.Recipe) || baseService(p.Recipe, "app").Exists() {
		return
	}
	var names []string
	for name := range p.Recipe.Base.Lookup("services").Pairs() {
		names = append(names, name)
	}
	if len(names) == 0 {
		p.Reportf(servicesKey(p.Recipe), `no services; expected one named "app"`)
		return
	}
	p.Reportf(servicesKey(p.Recipe), `none of the services %s is named "app"; expected one`, shorten(strings.Join(names, ", ")))
}
