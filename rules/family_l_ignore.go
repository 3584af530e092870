package rules

import "github.com/galley-coop/galley/lint"

// ignoreRules are about the comments that hide findings. The engine finds what
// they report (see lint.IgnoreRules); here they are listed and have their pages.
func ignoreRules() []lint.Rule { return lint.IgnoreRules() }
