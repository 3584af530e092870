package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r005 = lint.Rule{
	ID: "R005", Name: "semver-tag",
	Summary:  "image tags look like versions",
	Severity: lint.Warning,
	Check:    checkSemverTag,
}

// checkSemverTag leaves unstable tags to R004: "latest" is one trouble, not two.
func checkSemverTag(p *lint.Pass) {
	eachImage(p, func(i image) bool {
		if i.tag == "" {
			return false
		}
		if name, unknown := i.tagUnknown(); unknown {
			p.Reportf(i.tagPlace(), "the tag of image %q depends on %q, which neither a default nor the recipe gives a value; expected a version such as 1.2.3",
				i.written(), name)
			return true
		}
		class := recipe.ClassifyTag(i.tag)
		if class.SemverLike || class.Unstable {
			return false
		}
		origin, options := i.tagOrigin()
		p.Report(i.tagPlace(), fmt.Sprintf("tag %q of service %q%s %s; expected a version such as 5, v1.2.3 or 6.2-alpine",
			i.tag, i.service, origin, class.Reason), options...)
		return true
	})
}
