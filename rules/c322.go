package rules

import (
	"strings"

	"github.com/galley-coop/galley/lint"
)

var c322 = lint.Rule{
	ID: "C322", Name: "sample-credential",
	Summary:    ".env.sample holds no credential that a deploy would use unedited",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkSampleCredential,
}

func checkSampleCredential(p *lint.Pass) {
	if p.Recipe.Sample == nil {
		return
	}
	for _, v := range p.Recipe.Sample.Vars() {
		if v.Commented || !secretName(v.Name) || strings.Contains(v.Value, "$") || !credential(v.Name, v.Value) {
			continue
		}
		p.Reportf(v.NameRange, "%s has a value in .env.sample, which every app has that nobody edits; expected a secret, or no value", v.Name)
	}
}
