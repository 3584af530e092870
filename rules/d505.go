package rules

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var d505 = lint.Rule{
	ID: "D505", Name: "port-order",
	Summary: "ports are sorted by what is published",
	Off:     true,
	Check:   checkPortOrder,
}

func checkPortOrder(p *lint.Pass) {
	eachStyled(p, func(d *recipe.Document) {
		checkLists(p, d, "ports", "ports sorted by what is published", func(items []recipe.Node) ([]string, func(a, b int) int) {
			texts, ports := make([]string, len(items)), make([]int, len(items))
			for i, item := range items {
				port, ok := publishedPort(item.Text())
				if !ok {
					return nil, nil
				}
				texts[i], ports[i] = item.Text(), port
			}
			return texts, func(a, b int) int { return cmp.Compare(ports[a], ports[b]) }
		})
	})
}

// publishedPort is the first port that a short form publishes. ok is false for
// one that leaves the port to docker, or to a variable.
func publishedPort(text string) (port int, ok bool) {
	parts := strings.Split(text, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return 0, false
	}
	first, _, _ := strings.Cut(parts[len(parts)-2], "-")
	port, err := strconv.Atoi(first)
	return port, err == nil && port > 0
}
