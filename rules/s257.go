package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
)

var s257 = lint.Rule{
	ID: "S257", Name: "secret-in-recipe",
	Summary:    "secrets of a recipe are external",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkSecretFiles,
}

func checkSecretFiles(p *lint.Pass) {
	for _, d := range p.Recipe.Documents() {
		for name, secret := range d.Lookup("secrets").Pairs() {
			for _, key := range []string{"file", "environment"} {
				from := secret.Get(key)
				if from.Text() == "" || secret.Get("external").Exists() {
					continue
				}
				p.Report(from.KeyRange(), fmt.Sprintf("secret %q has its value from a %s of whoever deploys; expected external: true, so that one is generated for each app", shorten(name), key))
			}
		}
	}
}
