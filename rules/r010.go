package rules

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r010 = lint.Rule{
	ID: "R010", Name: "traefik-routing",
	Summary:    "a recipe with a DOMAIN is routed by traefik",
	Severity:   lint.Error,
	RecipeOnly: true,
	Check:      checkRouting,
}

const traefikEnable = "traefik.enable"

func checkRouting(p *lint.Pass) {
	if p.Recipe.Sample == nil || !parsed(p.Recipe) {
		return
	}
	domain, ok := p.Recipe.Sample.Get("DOMAIN")
	if !ok {
		return
	}
	off, misplaced := recipe.Label{}, recipe.Label{}
	lookup := recipe.MapLookup(p.Recipe.SampleEnvironment())
	for _, service := range p.Services() {
		if label := traefikLabel(service.Node.Get("deploy", "labels")); label.Node.Exists() {
			if enabled(label.Value, lookup) {
				return
			}
			off = label
		}
		if label := traefikLabel(service.Node.Get("labels")); label.Node.Exists() {
			misplaced = label
		}
	}
	related := lint.WithRelated(domain.NameRange, "the recipe has a domain")
	switch {
	case off.Node.Exists():
		r := off.ValueRange
		if r.Start == r.End {
			r = off.NameRange
		}
		p.Report(r, fmt.Sprintf("label %s is %q, so traefik does not route to DOMAIN; expected \"true\"", traefikEnable, off.Value), related)
	case misplaced.Node.Exists():
		p.Report(misplaced.NameRange, fmt.Sprintf("label %q stands in labels, which swarm gives to containers; expected it in deploy.labels", traefikEnable), related)
	default:
		p.Report(labelsPlace(p.Recipe), fmt.Sprintf("no service has the label %s=true in deploy.labels, so traefik does not route to DOMAIN", traefikEnable), related)
	}
}

func traefikLabel(labels recipe.Node) recipe.Label {
	for _, label := range recipe.Labels(labels) {
		if strings.TrimSpace(label.Name) == traefikEnable {
			return label
		}
	}
	return recipe.Label{}
}

// enabled reads a label's value as traefik does. A variable without a value is
// given the benefit of the doubt: the operator decides.
func enabled(text string, lookup recipe.Lookup) bool {
	value, err := recipe.Expand(text, lookup)
	if err != nil || value == "" && strings.Contains(text, "$") {
		return true
	}
	on, err := strconv.ParseBool(strings.Trim(strings.TrimSpace(value), `"'`))
	return err == nil && on
}

// labelsPlace is where deploy.labels of the service app stand, or the nearest
// thing above them that is there.
func labelsPlace(r *recipe.Recipe) recipe.Range {
	app := baseService(r, "app")
	for _, n := range []recipe.Node{app.Get("deploy", "labels"), app.Get("deploy"), app} {
		if n.Exists() {
			return n.KeyRange()
		}
	}
	return servicesKey(r)
}
