package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s277 = lint.Rule{
	ID: "S277", Name: "odd-key",
	Summary:  "mapping keys are text",
	Severity: lint.Error,
	Check:    checkOddKeys,
}

// oddKeyWords are what YAML reads a key as.
var oddKeyWords = map[recipe.KeyKind]string{
	recipe.KeyNumber: "a number", recipe.KeyBoolean: "a boolean", recipe.KeyNull: "nothing", recipe.KeyOther: "no text",
}

func checkOddKeys(p *lint.Pass) {
	for _, document := range p.Recipe.Documents() {
		for _, key := range document.OddKeys() {
			word, odd := oddKeyWords[key.Kind]
			if !odd {
				continue
			}
			text := document.Text.Slice(key.Range)
			if key.Range.End.Line != key.Range.Start.Line || text == "" {
				p.Reportf(document.Text.LineRange(key.Range.Start.Line), "the key of %q is %s, and docker refuses the file; expected text",
					shorten(document.Text.Line(key.Range.Start.Line)), word)
				continue
			}
			var options []lint.Option
			if key.Kind == recipe.KeyNumber || key.Kind == recipe.KeyBoolean {
				options = append(options, replaceFix(key.Range, `"`+text+`"`, "put the key in quotes", true))
			}
			p.Report(key.Range, fmt.Sprintf("the key %s is %s to YAML, and docker refuses the file; expected text, in quotes", shorten(text), word), options...)
		}
	}
}
