package rules

import (
	"github.com/galley-coop/galley/lint"
)

var s202 = lint.Rule{
	ID: "S202", Name: "compose-schema",
	Summary:  "compose files fit the compose specification",
	Severity: lint.Error,
	Check:    checkComposeSchema,
}

// checkComposeSchema looks at each file as it is written: an overlay has the
// same form as the base.
func checkComposeSchema(p *lint.Pass) {
	for _, d := range p.Recipe.Documents() {
		issues, err := composeIssuesOf(p, d)
		if err != nil {
			p.Skip(err.Error())
			return
		}
		for _, i := range issues {
			p.Report(i.at, i.message())
		}
	}
}
