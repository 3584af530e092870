package rules

import (
	"fmt"
	"slices"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r133 = lint.Rule{
	ID: "R133", Name: "export-not-read",
	Summary:    "what compose files take from abra.sh is exported there with a plain value",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkExportsRead,
}

// checkExportsRead is about variables that only running the script could tell.
// Nothing runs it at a deploy. Names of configs are R012's.
func checkExportsRead(p *lint.Pass) {
	if p.Recipe.Script == nil || !slices.ContainsFunc(p.Recipe.Script.Exports, func(e recipe.Export) bool { return e.Dynamic || !e.Exported }) {
		return
	}
	seen := map[string]bool{}
	for _, u := range uses(p.Recipe) {
		name := u.variable.Name
		export, ok := p.Recipe.Script.Get(name)
		if !ok || u.configVersion() || seen[name] || !export.Dynamic && export.Exported {
			continue
		}
		if _, given := u.variable.Default(); given || p.Recipe.Sample != nil && p.Recipe.Sample.Declared(name) {
			continue
		}
		seen[name] = true
		how := "only computes when it runs"
		if !export.Exported {
			how = "sets without export"
		}
		p.Report(u.place(), fmt.Sprintf("takes %s, which %s %s, so a deploy has no value for it; expected export %s=<value>", name, recipe.ScriptName, how, name),
			lint.WithRelated(export.NameRange, "set here"))
	}
}
