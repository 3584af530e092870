package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
)

var r101 = lint.Rule{
	ID: "R101", Name: "version-label",
	Summary:    "the service app has the label that says which version the recipe is",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkVersionLabel,
}

// checkVersionLabel leaves a missing service or stanza to R009 and R016, and a
// label of another form or at another place to R104 to R106.
func checkVersionLabel(p *lint.Pass) {
	if baseService(p.Recipe, "app").Get("deploy", "labels").Len() == 0 {
		return
	}
	for _, l := range append(stackLabels(p), labelsAt(p, "labels")...) {
		if l.key == versionKey || l.old() {
			return
		}
	}
	p.Report(labelsPlace(p.Recipe), fmt.Sprintf("deploy.labels of service \"app\" have no %s; expected one with the recipe's version, such as %s",
		versionLabelName, exampleVersion(p)))
}
