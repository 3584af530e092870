package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r128 = lint.Rule{
	ID: "R128", Name: "domain-unused",
	Summary:    "the routing of a recipe with a DOMAIN takes it",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkDomainUsed,
}

// checkDomainUsed leaves a recipe without routing to R010.
func checkDomainUsed(p *lint.Pass) {
	if p.Recipe.Sample == nil || !whole(p.Recipe) {
		return
	}
	domain, ok := p.Recipe.Sample.Get("DOMAIN")
	if !ok || mentioned(p.Recipe).has("DOMAIN") || usedInSample(p.Recipe.Sample, "DOMAIN") {
		return
	}
	for _, service := range p.Services() {
		label := traefikLabel(service.Node.Get("deploy", "labels"))
		if label.Node.Exists() && enabled(label.Value, recipe.MapLookup(p.Recipe.SampleEnvironment())) {
			p.Report(domain.NameRange, fmt.Sprintf("no compose file takes DOMAIN, so every app of the recipe answers at the same place; expected Host(`${DOMAIN}`) in the routing of service %q", service.Name),
				lint.WithRelated(label.NameRange, "routing is switched on here"))
			return
		}
	}
}
