package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
)

var r108 = lint.Rule{
	ID: "R108", Name: "version-label-app",
	Summary:    "the version label's app part is the image tag of the service app",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkVersionApp,
}

// checkVersionApp lets a "v" be in one of the two and not in the other: nobody is
// misled by it.
func checkVersionApp(p *lint.Pass) {
	l, version, ok := versionLabel(p)
	if !ok {
		return
	}
	i, ok := appImage(p, false)
	if !ok {
		return
	}
	deployed, ok := appImage(p, true)
	if sameTag(version.App, i.tag) || ok && sameTag(version.App, deployed.tag) {
		return
	}
	origin, options := i.tagOrigin()
	options = append(options, lint.WithRelated(i.tagPlace(), "the image's tag"), replace(l.appPlace(), i.tag, false))
	p.Report(l.appPlace(), fmt.Sprintf("the version label says that the app is %q, but its image has the tag %q%s", version.App, i.tag, origin), options...)
}

func sameTag(a, b string) bool { return strings.TrimPrefix(a, "v") == strings.TrimPrefix(b, "v") }
