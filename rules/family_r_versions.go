package rules

import "github.com/galley-coop/galley/lint"

// versionRules are R101 to R119: the labels that say which version a recipe is,
// the tags, the release notes, and the versions of configs.
func versionRules() []lint.Rule {
	return []lint.Rule{
		r101, r102, r103, r104, r105, r106, r107, r108, r109, r110,
		r111, r112, r113, r114, r115, r116, r117, r118, r119,
	}
}
