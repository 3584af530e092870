package rules

import (
	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var c306 = lint.Rule{
	ID: "C306", Name: "no-cap-drop",
	Summary:  "services drop the capabilities that they do not need",
	Severity: lint.Info,
	Off:      true,
	Check: func(p *lint.Pass) {
		reportMissing(p, func(service recipe.Node) bool { return service.Get("cap_drop").Len() == 0 },
			"keeps all of docker's default capabilities", "cap_drop: [ALL], and cap_add for what it needs")
	},
}
