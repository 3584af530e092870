package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
)

var s224 = lint.Rule{
	ID: "S224", Name: "healthcheck-zero",
	Summary:  "no health check has a zero that the engine takes for its default",
	Severity: lint.Warning,
	Check:    checkHealthcheckZero,
}

var healthDefaults = []struct{ key, value string }{
	{"interval", "30s"}, {"timeout", "30s"}, {"retries", "3"},
}

func checkHealthcheckZero(p *lint.Pass) {
	eachDeployService(p, "healthcheck", func(f *deployFinder, s deployService) {
		for _, known := range healthDefaults {
			node := s.get("healthcheck", known.key)
			text, ok := deployText(node)
			if !ok || text == "" || text[0] != '0' {
				continue
			}
			zero := false
			if known.key == "retries" {
				count, number := deployNumber(node)
				zero = number && count == 0
			} else {
				d, duration := deployDuration(node)
				zero = duration && d == 0
			}
			if zero {
				f.report(deployPlace(node), fmt.Sprintf("%s of the health check of service %q is %q, which the engine takes for the image's value or %s; expected what is meant",
					known.key, s.name, text, known.value))
			}
		}
	})
}
