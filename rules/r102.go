package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r102 = lint.Rule{
	ID: "R102", Name: "version-label-form",
	Summary:    "the version label is a version: <recipe>+<app>",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkVersionForm,
}

func checkVersionForm(p *lint.Pass) {
	for _, l := range stackLabels(p) {
		if l.key != versionKey || len(recipe.Variables(l.value)) > 0 {
			continue
		}
		if l.value == "" {
			p.Reportf(l.namePlace(), "label %q is empty; expected the recipe's version, such as %s", l.name, exampleVersion(p))
			continue
		}
		if _, err := recipe.ParseVersion(l.value); err == nil {
			continue
		}
		var options []lint.Option
		problem := "is none"
		bare := strings.Trim(l.value, "\"'") // the quotes are S273's
		if parsesAsVersion(bare) {
			continue
		}
		switch _, err := recipe.ParseVersion(strings.TrimPrefix(bare, "v")); {
		case err != nil && !strings.Contains(bare, "+"):
			problem = "has no app version behind a \"+\""
		case err != nil:
		default:
			problem = "starts with \"v\""
		}
		if bare = strings.TrimPrefix(bare, "v"); parsesAsVersion(bare) {
			options = append(options, replace(l.valuePlace(), bare, false))
		}
		p.Report(l.valuePlace(), fmt.Sprintf("version %q %s; expected <recipe>+<app>, such as %s", shorten(l.value), problem, exampleVersion(p)), options...)
	}
}

func parsesAsVersion(s string) bool {
	_, err := recipe.ParseVersion(s)
	return err == nil
}
