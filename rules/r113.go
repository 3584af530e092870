package rules

import (
	"fmt"
	"regexp"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r113 = lint.Rule{
	ID: "R113", Name: "app-version-back",
	Summary:    "a higher recipe version does not take the app back to a lower one",
	Severity:   lint.Info,
	RecipeOnly: true,
	Check:      checkAppBack,
}

// checkAppBack looks at the version that comes, or came last: what was released
// before stays as it is.
func checkAppBack(p *lint.Pass) {
	h, ok := pastOf(p)
	if !ok {
		return
	}
	l, version, labelled := versionLabel(p)
	at := composePlace(p.Recipe)
	switch {
	case labelled:
		at = l.appPlace()
	case len(h.releases) == 0:
		return
	default:
		version = h.releases[len(h.releases)-1].Parsed
	}
	before, ok := h.below(version)
	if !ok || !olderApp(version.App, before.Parsed.App) {
		return
	}
	p.Reportf(at, "version %q takes the app back to %q from %q of version %q; expected a newer app, or notes on going back",
		version.String(), version.App, before.Parsed.App, before.Name)
}

// leadingNumbers is the version that an image tag starts with.
var leadingNumbers = regexp.MustCompile(`^v?([0-9]+(?:\.[0-9]+)*)`)

// olderApp compares the numbers that two tags start with; other flavours of one
// version are no way back. A year or a build number on one side alone is another
// way of counting, and says nothing.
func olderApp(app, before string) bool {
	a, b := leadingNumbers.FindStringSubmatch(app), leadingNumbers.FindStringSubmatch(before)
	if a == nil || b == nil {
		return false
	}
	x, errX := recipe.ParseVersion(fmt.Sprintf("0.0.0+%s", a[1]))
	y, errY := recipe.ParseVersion(fmt.Sprintf("0.0.0+%s", b[1]))
	if errX != nil || errY != nil || major(a[1]) >= 1000 != (major(b[1]) >= 1000) {
		return false
	}
	return len(a[1]) > 0 && !prefixOf(a[1], b[1]) && x.Compare(y) < 0
}

// prefixOf tells whether a version is the shorter form of another: 8 of 8.0.
func prefixOf(short, long string) bool {
	return len(short) < len(long) && long[:len(short)] == short && long[len(short)] == '.'
}

// major is the first number of a version, capped.
func major(version string) int {
	n := 0
	for i := 0; i < len(version) && version[i] != '.' && n < 1_000_000; i++ {
		n = n*10 + int(version[i]-'0')
	}
	return n
}
