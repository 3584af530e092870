package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r142 = lint.Rule{
	ID: "R142", Name: "config-version-name",
	Summary:    "a config's version variable is named after its key, and is its own",
	Severity:   lint.Info,
	RecipeOnly: true,
	Check:      checkConfigVersionNames,
}

// checkConfigVersionNames accepts a variable that is named after the config's
// name where key and name differ.
func checkConfigVersionNames(p *lint.Pass) {
	type taken struct {
		key string
		at  recipe.Range
	}
	by := map[string]taken{}
	eachObject(p.Recipe, func(o object) {
		if o.kind != "config" || !o.named {
			return
		}
		v, at, ok := nameVersion(o)
		if !ok {
			return
		}
		if other, again := by[v.Name]; again && other.key != o.key {
			p.Report(at, fmt.Sprintf("config %q shares the version %s with config %q, so a change of one replaces both; expected %s", o.key, v.Name, other.key, recipe.ConfigVariable(o.key)),
				lint.WithRelated(other.at, "the other config's version"))
			return
		}
		by[v.Name] = taken{o.key, at}
		if want := recipe.ConfigVariable(o.key); v.Name != want && v.Name != recipe.ConfigVariable(nameStem(o)) {
			p.Reportf(at, "config %q takes its version from %s; expected %s, where maintainers look for it", o.key, v.Name, want)
		}
	})
}

// nameVersion is the last variable of an object's name, and where its own name
// stands.
func nameVersion(o object) (recipe.Variable, recipe.Range, bool) {
	variables := recipe.Variables(o.name)
	if len(variables) == 0 {
		return recipe.Variable{}, recipe.Range{}, false
	}
	v := variables[len(variables)-1]
	if v.Name == stackName {
		return recipe.Variable{}, recipe.Range{}, false
	}
	return v, variablePlace(o.nameNode, v), true
}

// variablePlace is where a variable's name stands, without the dollar and braces.
func variablePlace(n recipe.Node, v recipe.Variable) recipe.Range {
	from := v.Start + 1
	if n.Text()[from] == '{' {
		from++
	}
	return n.Sub(from, from+len(v.Name))
}

// nameStem is what stands between an object's first and last variable, without
// the underscores around it.
func nameStem(o object) string {
	variables := recipe.Variables(o.name)
	if len(variables) < 2 {
		return ""
	}
	stem := o.name[variables[0].End:max(variables[0].End, variables[len(variables)-1].Start)]
	return strings.Trim(stem, "_")
}
