package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s278 = lint.Rule{
	ID: "S278", Name: "merge-value",
	Summary:  "merge keys are given mappings",
	Severity: lint.Error,
	Check:    checkMergeValues,
}

func checkMergeValues(p *lint.Pass) {
	for _, document := range p.Recipe.Documents() {
		for _, key := range document.OddKeys() {
			if key.Kind == recipe.KeyMerge {
				p.Report(key.Range, fmt.Sprintf("the merge key << is given %s; expected an alias of a mapping, or a list of them", mergedText(document, key)))
			}
		}
	}
}

func mergedText(d *recipe.Document, key recipe.OddKey) string {
	if text := d.Text.Slice(key.Value); text != "" {
		return fmt.Sprintf("%q", shorten(text))
	}
	return "nothing"
}
