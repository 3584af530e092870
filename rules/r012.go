package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r012 = lint.Rule{
	ID: "R012", Name: "config-version",
	Summary:    "abra.sh exports every version that a config's name uses",
	Severity:   lint.Error,
	RecipeOnly: true,
	Check:      checkConfigVersions,
}

func checkConfigVersions(p *lint.Pass) {
	if unreadable(p.Recipe, recipe.ScriptName) {
		return
	}
	for _, d := range p.Recipe.Documents() {
		for key, config := range d.Lookup("configs").Pairs() {
			name := config.Get("name")
			for _, v := range recipe.Variables(name.Text()) {
				if strings.HasSuffix(v.Name, "_VERSION") {
					checkExport(p, key, name.Sub(v.Start, v.End), v.Name)
				}
			}
		}
	}
}

// checkExport reports a version that a deploy of the recipe would not have.
func checkExport(p *lint.Pass, config string, at recipe.Range, name string) {
	if p.Recipe.Script == nil {
		p.Reportf(at, "config %q is named after %q, but there is no %s; expected one with export %s=v1", config, name, recipe.ScriptName, name)
		return
	}
	export, ok := p.Recipe.Script.Get(name)
	message := ""
	switch {
	case !ok:
		p.Reportf(at, "config %q is named after %q, which %s does not export; expected export %s=v1", config, name, recipe.ScriptName, name)
		return
	case !export.Exported:
		message = "sets without export"
	case export.Dynamic:
		message = "only computes when it runs"
	case export.Value == "":
		message = "exports empty"
	default:
		return
	}
	p.Report(at, fmt.Sprintf("config %q is named after %q, which %s %s; expected export %s=v1", config, name, recipe.ScriptName, message, name),
		lint.WithRelated(export.Range, "set here"))
}
