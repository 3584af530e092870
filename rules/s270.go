package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
)

var s270 = lint.Rule{
	ID: "S270", Name: "empty-environment",
	Summary:  "environment variables in map form have a value",
	Severity: lint.Info,
	Check:    checkEmptyEnvironment,
}

// checkEmptyEnvironment leaves the list form alone: "- NAME" is how one hands
// the operator's variable on.
func checkEmptyEnvironment(p *lint.Pass) {
	seen := once{}
	for _, service := range p.Services() {
		for name, n := range service.Node.Get("environment").Pairs() {
			if n.IsNull() && !reset(n) && name != "" && seen.first(n.KeyRange()) {
				p.Report(n.KeyRange(), fmt.Sprintf("%s without a value is taken from the shell of whoever deploys, and unset when it is not there; expected \"\" or a value", shorten(name)))
			}
		}
	}
}
