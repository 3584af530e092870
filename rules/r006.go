package rules

import (
	"fmt"
	"slices"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r006 = lint.Rule{
	ID: "R006", Name: "published-version",
	Summary:    "the recipe and its newest version are in the catalogue",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkPublished,
}

func checkPublished(p *lint.Pass) {
	if p.World.Catalogue == nil {
		p.Skip("offline: there is no catalogue to look into")
		return
	}
	name := p.Recipe.Name
	if name == "" {
		p.Skip("the recipe has no name: expected TYPE=<name> in " + recipe.SampleName)
		return
	}
	published, err := p.World.Catalogue.Versions(p.Context, name)
	if err != nil {
		p.Skip(fmt.Sprintf("the catalogue cannot be read: %v", err))
		return
	}
	if len(published) == 0 {
		p.Reportf(namePlace(p.Recipe), "recipe %q is not in the catalogue; expected a published version", name)
		return
	}
	newest, ok := newestVersion(p)
	if ok && !slices.Contains(published, newest) {
		p.Reportf(namePlace(p.Recipe), "version %q of recipe %q is tagged, but not in the catalogue; its newest there is %q",
			newest, name, published[len(published)-1])
	}
}

// newestVersion is the recipe's newest version tag.
func newestVersion(p *lint.Pass) (string, bool) {
	if p.World.History == nil {
		return "", false
	}
	versions, err := p.World.History.Versions(p.Context)
	if err != nil {
		return "", false
	}
	for _, v := range slices.Backward(versions) {
		if v.Err == nil && v.Parsed.App != "" {
			return v.Name, true
		}
	}
	return "", false
}

// namePlace is where the recipe's name stands, else the compose file.
func namePlace(r *recipe.Recipe) recipe.Range {
	if r.Sample != nil {
		for _, key := range []string{"RECIPE", "TYPE"} {
			if v, ok := r.Sample.Get(key); ok && v.Value != "" {
				return v.ValueRange
			}
		}
	}
	return composePlace(r)
}

// composePlace is the compose file as a whole, or where it should be.
func composePlace(r *recipe.Recipe) recipe.Range {
	if r.Base != nil {
		return lint.AtFile(r.Base.Text.Path)
	}
	return lint.AtFile(recipe.ComposeNames[0])
}
