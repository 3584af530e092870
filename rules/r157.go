package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r157 = lint.Rule{
	ID: "R157", Name: "template-driver-unknown",
	Summary:    "a template driver is golang, the one that swarm has",
	Severity:   lint.Error,
	RecipeOnly: true,
	Check:      checkTemplateDrivers,
}

func checkTemplateDrivers(p *lint.Pass) {
	seen := map[recipe.Range]bool{}
	eachObject(p.Recipe, func(o object) {
		driver := o.node.Get("template_driver")
		if !driver.IsScalar() || driver.IsNull() || driver.Text() == golangDriver || seen[driver.Range()] {
			return
		}
		seen[driver.Range()] = true
		read := fallback(driver.Text())
		if read == golangDriver || variable(driver) && recipeValues(p.Recipe).expand(driver.Text()).guessed() {
			return
		}
		at := driver.Range()
		p.Report(at, fmt.Sprintf("template_driver of %s %q is %q, which swarm does not have, so tasks are rejected; expected %s", o.kind, o.key, shorten(driver.Text()), golangDriver),
			lint.WithFix(lint.Fix{Message: "write golang", Edits: []lint.Edit{{File: at.File, Start: at.Start, End: at.End, Text: golangDriver}}}))
	})
}
