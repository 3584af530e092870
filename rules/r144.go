package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r144 = lint.Rule{
	ID: "R144", Name: "healthcheck-claim",
	Summary:    "the metadata's Healthcheck is true of the service app",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkHealthcheckClaim,
}

func checkHealthcheckClaim(p *lint.Pass) {
	field, claim := metadataClaim(p, "Healthcheck")
	app := baseService(p.Recipe, "app")
	if claim == "" || !app.IsMap() || app.Get("extends").Exists() {
		return
	}
	var found recipe.Node
	for _, d := range p.Recipe.Documents() {
		check := d.Lookup("services", "app", "healthcheck")
		if off, _ := switchedOff(check); !found.Exists() && check.Get("test").Exists() && !off.Exists() {
			found = check
		}
	}
	switch {
	case claim == "yes" && !found.Exists():
		p.Report(field.ValueRange, fmt.Sprintf("the metadata says Healthcheck: %s, but service \"app\" has none that is on; expected one, or No", field.Value),
			lint.WithRelated(app.KeyRange(), "the service app"))
	case claim == "no" && found.Exists():
		p.Report(field.ValueRange, fmt.Sprintf("the metadata says Healthcheck: %s, but service \"app\" has one; expected Yes", field.Value),
			lint.WithRelated(found.KeyRange(), "the healthcheck"), claimFix(field, "Yes"))
	}
}

// metadataClaim is a field that says yes or no, and which; "" for neither.
func metadataClaim(p *lint.Pass, key string) (recipe.Field, string) {
	if p.Recipe.Readme == nil || !whole(p.Recipe) {
		return recipe.Field{}, ""
	}
	field, _ := p.Recipe.Readme.Metadata.Get(key)
	word := firstWord(field.Value)
	if word != "yes" && word != "no" {
		return field, ""
	}
	return field, word
}

// claimFix is the safe fix that corrects the first word of a field.
func claimFix(field recipe.Field, word string) lint.Option {
	at := within(field.ValueRange, field.Value, 0, len(firstWord(field.Value)))
	return lint.WithFix(lint.Fix{
		Message: "say " + word, Safe: true,
		Edits: []lint.Edit{{File: at.File, Start: at.Start, End: at.End, Text: word}},
	})
}
