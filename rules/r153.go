package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r153 = lint.Rule{
	ID: "R153", Name: "recipe-type",
	Summary:    ".env.sample says which recipe an app is of",
	Severity:   lint.Error,
	RecipeOnly: true,
	Check:      checkRecipeType,
}

// checkRecipeType wants a name that clients can find the recipe by, without a
// version: every new app would start with that one.
func checkRecipeType(p *lint.Pass) {
	sample := p.Recipe.Sample
	if sample == nil || unreadableLines(sample) {
		return
	}
	typ, hasType := sample.Get("TYPE")
	declared, ok := sample.Get("RECIPE")
	if !ok {
		declared, ok = typ, hasType
	}
	if !ok || declared.Value == "" {
		at := lint.AtFile(sample.Text.Path)
		if ok {
			at = declared.NameRange
		}
		p.Report(at, fmt.Sprintf("no TYPE in %s, so clients do not know which recipe an app is of; expected TYPE=<recipe>", recipe.SampleName))
		return
	}
	if hasType && typ.Value != declared.Value {
		p.Report(typ.ValueRange, fmt.Sprintf("TYPE is %q and RECIPE is %q; expected both to name the same recipe", typ.Value, declared.Value), lint.WithRelated(declared.ValueRange, "the other name"))
		return
	}
	name, version, versioned := strings.Cut(declared.Value, ":")
	switch {
	case versioned:
		p.Report(declared.ValueRange, fmt.Sprintf("%s is %q with version %q, which every new app would start from; expected %q", declared.Name, declared.Value, version, name),
			lint.WithFix(replaceValue(declared, name)))
	case p.Recipe.Name != "" && p.Recipe.Name != name:
		p.Reportf(declared.ValueRange, "%s is %q, but the recipe is %q; expected the same", declared.Name, declared.Value, p.Recipe.Name)
	default:
		if err := recipe.ValidRecipeName(name); err != nil {
			p.Report(declared.ValueRange, err.Error())
		}
	}
}

// unreadableLines tells whether a line of the sample, which may be the one, was
// not read. R122 says so.
func unreadableLines(sample *recipe.EnvFile) bool {
	for _, problem := range sample.Problems() {
		if strings.Contains(problem.Message, "TYPE") || strings.Contains(problem.Message, "RECIPE") {
			return true
		}
	}
	return false
}

// replaceValue is the fix that gives a declaration another plain value.
func replaceValue(v recipe.EnvVar, value string) lint.Fix {
	return lint.Fix{
		Message: fmt.Sprintf("write %s=%s", v.Name, value),
		Edits:   []lint.Edit{{File: v.ValueRange.File, Start: v.ValueRange.Start, End: v.ValueRange.End, Text: value}},
	}
}
