package rules

import (
	"github.com/galley-coop/galley/lint"
)

var r016 = lint.Rule{
	ID: "R016", Name: "deploy-labels",
	Summary:    "the service app has deploy.labels",
	Severity:   lint.Error,
	RecipeOnly: true,
	Check:      checkDeployLabels,
}

// checkDeployLabels leaves a recipe without a service app to R009.
func checkDeployLabels(p *lint.Pass) {
	app := baseService(p.Recipe, "app")
	if !app.IsMap() {
		return
	}
	labels := app.Get("deploy", "labels")
	switch {
	case labels.Len() > 0:
	case labels.Exists():
		p.Reportf(labels.KeyRange(), `deploy.labels of service "app" is empty; expected the recipe's labels`)
	default:
		p.Reportf(labelsPlace(p.Recipe), `service "app" has no deploy.labels; expected the recipe's version, routing and backup labels there`)
	}
}
