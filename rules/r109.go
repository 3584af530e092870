package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
)

var r109 = lint.Rule{
	ID: "R109", Name: "version-label-behind",
	Summary:    "the version label is not lower than the newest version tag",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkVersionBehind,
}

// checkVersionBehind lets an old version be checked out: its files are those of
// the tag that the label names.
func checkVersionBehind(p *lint.Pass) {
	h, ok := pastOf(p)
	if !ok || len(h.releases) == 0 {
		return
	}
	l, version, ok := versionLabel(p)
	newest := h.releases[len(h.releases)-1]
	if !ok || !version.Recipe.LessThan(&newest.Parsed.Recipe) {
		return
	}
	if i := h.current(); i >= 0 && h.releases[i].Name == l.value {
		return
	}
	p.Report(l.valuePlace(), fmt.Sprintf("the version label says %q, and %q is tagged already; expected a higher version than that", l.value, newest.Name))
}
