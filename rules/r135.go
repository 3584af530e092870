package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r135 = lint.Rule{
	ID: "R135", Name: "defaults-differ",
	Summary:    "a variable has one default in all compose files",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkDefaultsAgree,
}

// checkDefaultsAgree takes an empty default for "none", which hides a warning
// and claims nothing. Defaults that hold variables are S251's.
func checkDefaultsAgree(p *lint.Pass) {
	first := map[string]use{}
	seen := map[recipe.Range]bool{}
	for _, u := range uses(p.Recipe) {
		given, ok := u.variable.Default()
		if !ok || given == "" || strings.Contains(given, "$") {
			continue
		}
		earlier, known := first[u.variable.Name]
		if !known {
			first[u.variable.Name] = u
			continue
		}
		if earlier.variable.Argument == given || seen[u.place()] {
			continue
		}
		seen[u.place()] = true
		p.Report(u.argument(), fmt.Sprintf("the default of %s is %q here and %q elsewhere; expected one", u.variable.Name, shorten(given), shorten(earlier.variable.Argument)),
			lint.WithRelated(earlier.argument(), "the other default"))
	}
}

// argument is where a variable's default stands.
func (u use) argument() recipe.Range {
	return u.node.Sub(u.variable.ArgStart, u.variable.ArgStart+len(u.variable.Argument))
}
