package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
)

var r110 = lint.Rule{
	ID: "R110", Name: "version-label-spent",
	Summary:    "files that changed since a version was tagged do not carry its label",
	Severity:   lint.Info,
	RecipeOnly: true,
	Check:      checkVersionSpent,
}

func checkVersionSpent(p *lint.Pass) {
	h, ok := pastOf(p)
	if !ok || len(h.releases) == 0 {
		return
	}
	l, _, ok := versionLabel(p)
	newest := h.releases[len(h.releases)-1]
	if !ok || l.value != newest.Name {
		return // a lower one is R109's
	}
	tagged := h.recipe(newest)
	if tagged == nil {
		p.Skip(fmt.Sprintf("the files of version %q cannot be read", newest.Name))
		return
	}
	changed := changedFiles(tagged, p.Recipe)
	if len(changed) == 0 {
		return
	}
	what := fmt.Sprintf("%q", changed[0])
	if more := len(changed) - 1; more > 0 {
		what = fmt.Sprintf("%q and %d more", changed[0], more)
	}
	p.Reportf(l.valuePlace(), "the version label says %q, but since that was tagged %s changed; expected a higher version", l.value, what)
}
