package rules

import "github.com/galley-coop/galley/lint"

// environmentRules lists R120 to R159: what .env.sample, abra.sh, templates,
// overlays, names, metadata and backup labels promise each other.
func environmentRules() []lint.Rule {
	return []lint.Rule{
		r120, r121, r122, r123, r124, r125, r126, r127, r128, r129,
		r130, r131, r132, r133, r134, r135, r136, r137, r138, r139,
		r140, r141, r142, r143, r144, r145, r146, r147, r148, r149,
		r150, r151, r152, r153, r154, r155, r156, r157, r158, r159,
	}
}
