package rules

import (
	"regexp"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r141 = lint.Rule{
	ID: "R141", Name: "config-unversioned",
	Summary:    "a config's name has a version in it",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkConfigsVersioned,
}

// versionedName is a name with a number behind its last word, such as _v2.
var versionedName = regexp.MustCompile(`[0-9]$`)

// checkConfigsVersioned is about configs and secrets that a deploy creates from
// the recipe's files: swarm never changes the data of one.
func checkConfigsVersioned(p *lint.Pass) {
	eachObject(p.Recipe, func(o object) {
		made := o.node.Get("file").Exists() || o.node.Get("content").Exists()
		if o.kind != "config" && o.kind != "secret" || o.external || !made {
			return
		}
		for _, v := range recipe.Variables(o.name) {
			if v.Name != stackName {
				return
			}
		}
		if versionedName.MatchString(o.name) {
			return
		}
		variable := recipe.ConfigVariable(o.key)
		p.Reportf(o.at, "the name of %s %q has no version, so a change of its file cannot be deployed; expected ${STACK_NAME}_%s_${%s}", o.kind, o.key, strings.TrimPrefix(o.key, "_"), variable)
	})
}
