package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r121 = lint.Rule{
	ID: "R121", Name: "secret-version-name",
	Summary:    "a secret's name ends in SECRET_<KEY>_VERSION of its own key",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkSecretVersionNames,
}

// checkSecretVersionNames looks at the last variable of a secret's name: clients
// find a secret's modifiers, and whether they shall generate it, by its key.
func checkSecretVersionNames(p *lint.Pass) {
	for _, d := range p.Recipe.Documents() {
		for key, secret := range d.Lookup("secrets").Pairs() {
			name := secret.Get("name")
			variables := recipe.Variables(name.Text())
			if len(variables) == 0 {
				continue
			}
			v := variables[len(variables)-1]
			want := recipe.SecretVariable(key)
			if v.Name == stackName || v.Name == want {
				continue
			}
			at := variablePlace(name, v)
			p.Report(at, fmt.Sprintf("secret %q takes its version from %q, where clients do not look for it; expected %q", key, v.Name, want), renameVariable(p.Recipe, at, v.Name, want)...)
		}
	}
}

// renameVariable is the fix that renames a variable where it is used, and
// declared unless something else uses it too. Apps' env files keep the old name.
func renameVariable(r *recipe.Recipe, at recipe.Range, from, to string) []lint.Option {
	edits := []lint.Edit{{File: at.File, Start: at.Start, End: at.End, Text: to}}
	options := declaredAt(r, from)
	if r.Sample != nil && !r.Sample.Declared(to) && countWord(mentioned(r).compose, from) == 1 {
		for _, v := range r.Sample.Vars() {
			if v.Name == from {
				edits = append(edits, lint.Edit{File: v.NameRange.File, Start: v.NameRange.Start, End: v.NameRange.End, Text: to})
			}
		}
	}
	return append(options, lint.WithFix(lint.Fix{Message: fmt.Sprintf("rename %s to %s", from, to), Edits: edits}))
}
