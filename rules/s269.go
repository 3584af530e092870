package rules

import (
	"strings"

	"github.com/galley-coop/galley/lint"
)

var s269 = lint.Rule{
	ID: "S269", Name: "service-name",
	Summary:  "services have names that swarm takes",
	Severity: lint.Error,
	Check:    checkServiceNames,
}

// maxSwarmService is the longest name, in characters, that swarm takes for a
// service, with the stack's name and an underscore in front of it.
const maxSwarmService = 63

// checkServiceNames leaves names that no reader of compose takes to S202, and
// those that are long beside a recipe's stack name to R140.
func checkServiceNames(p *lint.Pass) {
	longest := maxSwarmService - len("x_")
	seen := map[string]bool{}
	for _, service := range p.Services() {
		name := service.Name
		if seen[name] || name == "" {
			continue
		}
		seen[name] = true
		switch {
		case strings.IndexByte(name, '.') >= 0 || strings.HasSuffix(name, "-") || strings.HasSuffix(name, "_"):
			p.Reportf(service.Node.KeyRange(), "swarm refuses the service name %q, which is none in DNS; expected letters and digits, with - and _ between them", shorten(name))
		case len(name) > longest && !p.Recipe.IsRecipe():
			p.Reportf(service.Node.KeyRange(), "service name %q has %d characters; swarm takes %d with the stack's name and _ before it", shorten(name), len(name), maxSwarmService)
		}
	}
}
