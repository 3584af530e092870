package rules

import (
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var i401 = lint.Rule{
	ID: "I401", Name: "major-only-tag",
	Summary:  "tags name more of a version than its first number",
	Severity: lint.Info,
	Check:    checkMajorOnlyTag,
}

func checkMajorOnlyTag(p *lint.Pass) {
	eachImage(p, func(i image) bool {
		if !majorOnly(i.tag) || strings.Contains(i.reading.text, "@") {
			return false
		}
		if _, unknown := i.tagUnknown(); unknown {
			return false
		}
		origin, _ := i.tagOrigin()
		i.reportTag(p, "tag %q of service %q%s names a major version only, and moves with every release of it; expected the version that was tested, or a digest", i.tag, i.service, origin)
		return true
	})
}

// majorOnly tells whether a tag is one number of at most two digits, with or
// without a flavour: 16, v2, 8-alpine. A flavour that starts with a number pins a
// build (3-20240101), and one that moves by its name is R004's.
func majorOnly(tag string) bool {
	number, flavour, _ := strings.Cut(strings.TrimPrefix(tag, "v"), "-")
	if number == "" || len(number) > 2 || strings.Trim(number, "0123456789") != "" {
		return false
	}
	if flavour != "" && (strings.Trim(flavour[:1], "abcdefghijklmnopqrstuvwxyz") != "" || strings.ContainsAny(flavour, "-")) {
		return false
	}
	return !movesByName(flavour)
}

// movesByName tells whether a flavour is one of the words that R004 knows.
func movesByName(flavour string) bool {
	return flavour != "" && recipe.ClassifyTag(flavour).Unstable
}
