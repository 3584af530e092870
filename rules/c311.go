package rules

import (
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var c311 = lint.Rule{
	ID: "C311", Name: "new-privileges",
	Summary:  "services cannot gain privileges through setuid programs",
	Severity: lint.Info,
	Off:      true,
	Check: func(p *lint.Pass) {
		reportMissing(p, gainsPrivileges, "can gain privileges through setuid programs",
			"cap_drop: [ALL], which a swarm takes, or security_opt: [no-new-privileges:true], which docker stack deploy ignores and galley passes on")
	},
}

// gainsPrivileges is false without any capability too: there are then none that
// a setuid program could give.
func gainsPrivileges(service recipe.Node) bool {
	for _, item := range service.Get("cap_drop").Items() {
		if strings.EqualFold(item.Text(), "ALL") {
			return false
		}
	}
	for _, item := range service.Get("security_opt").Items() {
		if option := item.Text(); strings.HasPrefix(option, "no-new-privileges") && !strings.HasSuffix(option, "false") {
			return false
		}
	}
	return true
}
