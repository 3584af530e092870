package rules

import (
	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r015 = lint.Rule{
	ID: "R015", Name: "secret-name-length",
	Summary:    "secret names have at most 12 characters",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkSecretNames,
}

func checkSecretNames(p *lint.Pass) {
	seen := map[string]bool{}
	for _, d := range p.Recipe.Documents() {
		for name, secret := range d.Lookup("secrets").Pairs() {
			length := len([]rune(name))
			if length <= recipe.MaxSecretName || seen[name] {
				continue
			}
			seen[name] = true
			p.Reportf(secret.KeyRange(), "secret %q has %d characters; expected at most %d, since swarm takes %d for stack, secret and version together",
				shorten(name), length, recipe.MaxSecretName, recipe.MaxObjectName)
		}
	}
}
