package rules

import (
	"slices"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r129 = lint.Rule{
	ID: "R129", Name: "variable-undeclared",
	Summary:    "what compose files take without a default is declared in .env.sample or abra.sh",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkUndeclared,
}

// checkUndeclared leaves versions in the names of configs to R012 and those of
// secrets to R120 and R121, what abra.sh sets in a way that a deploy does not
// see to R133, and what environment passes on to R159.
func checkUndeclared(p *lint.Pass) {
	eachUndeclared(p, func(u use) {
		name := u.variable.Name
		if !u.passed {
			p.Reportf(u.place(), "neither %s nor %s declares %s and it has no default, so it is empty; expected a declaration or ${%s:-…}", recipe.SampleName, recipe.ScriptName, name, name)
		}
	})
}

// eachUndeclared visits what compose files take that nothing declares, each
// variable once for each file.
func eachUndeclared(p *lint.Pass, visit func(use)) {
	sample := p.Recipe.Sample
	if sample == nil {
		return
	}
	type said struct {
		document *recipe.Document
		name     string
	}
	seen := map[said]bool{}
	for _, u := range uses(p.Recipe) {
		name := u.variable.Name
		if u.variable.Operator != "" || name == stackName || strings.HasPrefix(name, "ABRA_") || u.configVersion() || u.section == "secrets" && u.naming {
			continue
		}
		if seen[said{u.document, name}] || sample.Declared(name) || exported(p.Recipe, name) {
			continue
		}
		if inHash(u) {
			continue // S253's
		}
		seen[said{u.document, name}] = true
		visit(u)
	}
}

// inHash tells whether a variable is a part of a password hash, whose dollars
// nobody escaped.
func inHash(u use) bool {
	if u.passed {
		return false
	}
	return slices.ContainsFunc(dollars(u.node.Text()), func(d dollar) bool {
		return d.kind == hashDollar && d.from <= u.variable.Start && u.variable.Start < d.to
	})
}
