package rules

import "github.com/galley-coop/galley/lint"

// shapeRules are about what the parts of a stack make together: names that must
// meet, places taken twice, values that YAML or a swarm reads in another way than
// they look.
func shapeRules() []lint.Rule {
	return []lint.Rule{
		s240, s241, s242, s243, s244, s245, s246, s247, s248, s249,
		s250, s251, s252, s253, s254, s255, s256, s257, s258, s259,
		s260, s261, s262, s263, s264, s265, s266, s267, s268, s269,
		s270, s271, s272, s273, s274, s275, s276, s277, s278, s279,
	}
}
