package rules

import (
	"cmp"
	"slices"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var d501 = lint.Rule{
	ID: "D501", Name: "top-level-order",
	Summary: "the top-level keys are in the order of version, services, networks, volumes, configs, secrets",
	Off:     true,
	Check:   checkTopLevelOrder,
}

// topLevelOrder is the order of a file's parts. What introduces it stands first,
// in any order: anchors of extensions must stand above what uses them.
var topLevelOrder = []string{"", "services", "networks", "volumes", "configs", "secrets"}

func checkTopLevelOrder(p *lint.Pass) {
	rank := func(key string) int {
		if key == "version" || key == "name" || key == "include" || strings.HasPrefix(key, "x-") {
			return 0
		}
		if at := slices.Index(topLevelOrder, key); at > 0 {
			return at
		}
		return len(topLevelOrder)
	}
	compare := func(a, b string) int { return cmp.Compare(rank(a), rank(b)) }
	eachStyled(p, func(d *recipe.Document) {
		if found, ok := misordered(d.Root(), true, compare, "version and x-…, services, networks, volumes, configs, secrets in this order"); ok {
			reportSlips(p, d, []slip{found}, false)
		}
	})
}
