package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r103 = lint.Rule{
	ID: "R103", Name: "version-label-variable",
	Summary:    "the version label is written out, without variables",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkVersionVariable,
}

func checkVersionVariable(p *lint.Pass) {
	for _, l := range stackLabels(p) {
		if l.key != versionKey {
			continue
		}
		variables := recipe.Variables(l.value)
		if len(variables) == 0 {
			continue
		}
		v := variables[0]
		var options []lint.Option
		if fallback, ok := v.Default(); ok && v.Start == 0 && v.End == len(l.value) && parsesAsVersion(fallback) {
			options = append(options, replace(l.valueSub(v.Start, v.End), fallback, false))
		}
		p.Report(l.valueSub(v.Start, v.End), fmt.Sprintf("the version label holds the variable %q, which each app's env file may set; expected the recipe's own version, such as %s",
			v.Name, exampleVersion(p)), options...)
	}
}
