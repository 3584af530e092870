package rules

import (
	"path"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r137 = lint.Rule{
	ID: "R137", Name: "overlay-unlisted",
	Summary:    "a COMPOSE_FILE of .env.sample, if a commented one, names every overlay",
	Severity:   lint.Info,
	RecipeOnly: true,
	Check:      checkOverlaysListed,
}

// checkOverlaysListed is content with an overlay that README.md tells of. One
// that is named in another folder than its own is R136's.
func checkOverlaysListed(p *lint.Pass) {
	if p.Recipe.Sample == nil || len(p.Recipe.Overlays) == 0 {
		return
	}
	listed := map[string]bool{}
	eachComposeFile(p.Recipe, func(name string, _ recipe.Range) { listed[path.Base(name)] = true })
	for _, d := range p.Recipe.Overlays {
		name := d.Text.Path
		if listed[path.Base(name)] || p.Recipe.Readme != nil && countWord(string(p.Recipe.Readme.Text.Bytes), name) > 0 {
			continue
		}
		p.Reportf(lint.AtFile(name), "no COMPOSE_FILE in %s names the overlay %q, so operators do not learn of it; expected #COMPOSE_FILE=\"$COMPOSE_FILE:%s\"", recipe.SampleName, name, name)
	}
}
