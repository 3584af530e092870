package rules

import (
	"github.com/galley-coop/galley/lint"
)

var r112 = lint.Rule{
	ID: "R112", Name: "version-reused",
	Summary:    "every version tag, and the label, has a recipe version of its own",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkVersionReused,
}

func checkVersionReused(p *lint.Pass) {
	h, ok := pastOf(p)
	if !ok {
		return
	}
	var shared []string
	for i, v := range h.releases {
		before := i > 0 && sameRecipe(h.releases[i-1], v)
		if before || i+1 < len(h.releases) && sameRecipe(v, h.releases[i+1]) {
			shared = append(shared, v.Name)
		}
	}
	const expected = "expected each release to raise it, since what follows the \"+\" does not count"
	reportTags(p, shared, "", "share a recipe version", expected)
	l, version, ok := versionLabel(p)
	if !ok || h.named(l.value) >= 0 {
		return
	}
	for _, v := range h.releases {
		if v.Parsed.Recipe.Compare(&version.Recipe) == 0 {
			p.Reportf(l.valuePlace(), "the version label says %q, and %q, of the same recipe version, is tagged already; %s", l.value, v.Name, expected)
			return
		}
	}
}
