package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
)

var r105 = lint.Rule{
	ID: "R105", Name: "version-label-service",
	Summary:    "the version and timeout labels are on the service app",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkVersionService,
}

// checkVersionService leaves a recipe without a service app to R009.
func checkVersionService(p *lint.Pass) {
	if !baseService(p.Recipe, "app").Exists() {
		return
	}
	labels := stackLabels(p)
	for _, l := range labels {
		if l.onApp() || l.key != versionKey && l.key != timeoutKey {
			continue
		}
		var options []lint.Option
		for _, right := range labels {
			if right.onApp() && right.key == l.key {
				options = append(options, lint.WithRelated(right.namePlace(), "the one that counts"))
				break
			}
		}
		p.Report(l.namePlace(), fmt.Sprintf("label %q is on service %q; expected it on \"app\", where clients look for it", shorten(l.name), l.service.Name), options...)
	}
}
