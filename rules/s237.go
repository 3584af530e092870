package rules

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s237 = lint.Rule{
	ID: "S237", Name: "reservation-over-limit",
	Summary:  "no service reserves more than it may use",
	Severity: lint.Warning,
	Check:    checkReservationOverLimit,
}

func checkReservationOverLimit(p *lint.Pass) {
	eachDeployService(p, "reservations", func(f *deployFinder, s deployService) {
		for _, resource := range []string{"memory", "cpus"} {
			reserved, limit := s.get("deploy", "resources", "reservations", resource), s.get("deploy", "resources", "limits", resource)
			has, known := resourceAmount(reserved, resource)
			may, limited := resourceAmount(limit, resource)
			if !known || !limited || has <= may || may == 0 {
				continue
			}
			at := s.upper(reserved, limit)
			text, _ := deployText(reserved)
			top, _ := deployText(limit)
			other := limit
			if at == limit {
				other = reserved
			}
			f.report(deployPlace(at), fmt.Sprintf("service %q reserves %s %s and is limited to %s: nodes set aside what it can never use; expected a limit above the reservation", s.name, resource, text, top),
				relatedTo(other, at, "what it is compared with")...)
		}
	})
}

// resourceAmount reads cpus, or an amount of memory in bytes.
func resourceAmount(n recipe.Node, resource string) (float64, bool) {
	text, known := deployText(n)
	if !known {
		return 0, false
	}
	text = strings.ToLower(strings.TrimSpace(text))
	unit := 1.0
	if resource == "memory" {
		text = strings.TrimSuffix(strings.TrimSuffix(text, "b"), "i")
		for letter, size := range map[string]float64{"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40} {
			if cut, ok := strings.CutSuffix(text, letter); ok {
				text, unit = cut, size
				break
			}
		}
	}
	amount, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	return amount * unit, err == nil
}
