package rules

import (
	"fmt"
	"slices"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s254 = lint.Rule{
	ID: "S254", Name: "variable-in-key",
	Summary:  "no mapping key holds a variable",
	Severity: lint.Error,
	Check:    checkVariableKeys,
}

func checkVariableKeys(p *lint.Pass) {
	for _, document := range p.Recipe.Documents() {
		for _, key := range document.OddKeys() {
			if key.Kind == recipe.KeyVariable && slices.Contains(interpolated, key.Top) {
				p.Report(key.Range, fmt.Sprintf("variables in keys are not filled in: %q stays as it is; expected the list form, or a key without variables", shorten(key.Name)))
			}
		}
	}
}
