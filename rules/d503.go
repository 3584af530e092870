package rules

import (
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var d503 = lint.Rule{
	ID: "D503", Name: "service-order",
	Summary: "the service app stands first, the others by name",
	Off:     true,
	Check:   checkServiceOrder,
}

func checkServiceOrder(p *lint.Pass) {
	compare := func(a, b string) int {
		switch {
		case a == b:
			return 0
		case a == "app":
			return -1
		case b == "app":
			return 1
		}
		return strings.Compare(a, b)
	}
	eachStyled(p, func(d *recipe.Document) {
		services := d.Lookup("services")
		if !services.IsMap() {
			return
		}
		if found, ok := misordered(services, false, compare, "app first, and the others by name"); ok {
			reportSlips(p, d, []slip{found}, false)
		}
	})
}
