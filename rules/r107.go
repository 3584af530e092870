package rules

import (
	"slices"

	"github.com/galley-coop/galley/lint"
)

var r107 = lint.Rule{
	ID: "R107", Name: "client-label",
	Summary:    "a recipe sets no labels that clients set themselves, or that none knows",
	Severity:   lint.Info,
	RecipeOnly: true,
	Check:      checkClientLabels,
}

// clientKeys are what clients write into a stack when they deploy it.
var clientKeys = []string{"auto-update", "autoupdate", "chaos", "chaos-version", "recipe"}

func checkClientLabels(p *lint.Pass) {
	for _, l := range stackLabels(p) {
		switch {
		case l.key == versionKey, l.key == timeoutKey, l.old():
		case slices.Contains(clientKeys, l.key):
			p.Reportf(l.keyPlace(), "label %q: clients set %q themselves with each deploy; expected a recipe without it", shorten(l.name), l.key)
		default:
			p.Reportf(l.keyPlace(), "label %q: %q is not among the keys that clients know; expected %s or %s", shorten(l.name), shorten(l.key), versionKey, timeoutKey)
		}
	}
}
