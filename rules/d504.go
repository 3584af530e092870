package rules

import (
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var d504 = lint.Rule{
	ID: "D504", Name: "environment-order",
	Summary: "environment lists are sorted by name",
	Off:     true,
	Check:   checkEnvironmentOrder,
}

// checkEnvironmentOrder leaves lists with comments alone: they have an order of
// their own.
func checkEnvironmentOrder(p *lint.Pass) {
	eachStyled(p, func(d *recipe.Document) {
		checkLists(p, d, "environment", "the environment sorted by name", func(items []recipe.Node) ([]string, func(a, b int) int) {
			names := make([]string, len(items))
			seen := map[string]bool{}
			for i, item := range items {
				names[i], _, _ = strings.Cut(item.Text(), "=")
				if !item.IsString() || names[i] == "" || seen[names[i]] || strings.ContainsRune(names[i], '$') {
					return nil, nil
				}
				seen[names[i]] = true
			}
			return names, func(a, b int) int { return strings.Compare(names[a], names[b]) }
		})
	})
}
