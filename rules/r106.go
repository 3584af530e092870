package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r106 = lint.Rule{
	ID: "R106", Name: "stack-label-name",
	Summary:    "labels that clients read are named after ${STACK_NAME}",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkStackLabelName,
}

// checkStackLabelName leaves labels that no client reads to R104 and R107, and
// variables in the keys of mappings to S254.
func checkStackLabelName(p *lint.Pass) {
	for _, l := range stackLabels(p) {
		if l.key != versionKey && l.key != timeoutKey {
			continue
		}
		variables := recipe.Variables(l.stack)
		switch {
		case len(variables) > 0 && (l.inMap() || variables[0].Name == stackVariable):
		case l.inMap():
			p.Reportf(l.namePlace(), "label %q is named after the stack %q; expected the list item \"%s\", which every app's clients find",
				shorten(l.name), shorten(l.stack), stackLabelPrefix+"${"+stackVariable+"}."+l.key)
		default:
			p.Report(l.stackPlace(), fmt.Sprintf("label %q is named after the stack %q; expected ${%s}, or clients find it for no other app",
				shorten(l.name), shorten(l.stack), stackVariable), replace(l.stackPlace(), "${"+stackVariable+"}", false))
		}
	}
}
