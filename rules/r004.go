package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r004 = lint.Rule{
	ID: "R004", Name: "unstable-tag",
	Summary:  "no image uses a tag that moves, such as latest",
	Severity: lint.Warning,
	Check:    checkUnstableTag,
}

func checkUnstableTag(p *lint.Pass) {
	eachImage(p, func(i image) bool {
		if _, unknown := i.tagUnknown(); unknown || i.tag == "" {
			return false
		}
		class := recipe.ClassifyTag(i.tag)
		if !class.Unstable {
			return false
		}
		origin, options := i.tagOrigin()
		p.Report(i.tagPlace(), fmt.Sprintf("tag %q of service %q%s %s; expected a version that stays, such as 1.2.3",
			i.tag, i.service, origin, class.Reason), options...)
		return true
	})
}
