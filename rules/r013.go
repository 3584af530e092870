package rules

import (
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r013 = lint.Rule{
	ID: "R013", Name: "upstream-exists",
	Summary:    "the upstream that README.md names answers",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkUpstream,
}

// checkUpstream asks for the address in the metadata's field Image. Without one
// there is nothing to ask, and R007 has said so.
func checkUpstream(p *lint.Pass) {
	if p.World.Upstream == nil {
		p.Skip("offline: the upstream is not asked")
		return
	}
	if p.Recipe.Readme == nil || p.Recipe.Readme.Metadata == nil {
		return
	}
	field, _ := p.Recipe.Readme.Metadata.Get("Image")
	url := p.Recipe.Readme.Metadata.Image().URL
	if !isWeb(url) || strings.ContainsAny(url, "${}") {
		return
	}
	if err := p.World.Upstream.Reachable(p.Context, url); err != nil {
		p.Reportf(urlPlace(field, url), "upstream %q does not answer: %s; expected the project's page or image", shorten(url), shorten(err.Error()))
	}
}

func isWeb(url string) bool {
	return strings.HasPrefix(url, "https://") || strings.HasPrefix(url, "http://")
}

func urlPlace(field recipe.Field, url string) recipe.Range {
	at := strings.Index(field.Value, url)
	if at < 0 {
		return field.ValueRange
	}
	return within(field.ValueRange, field.Value, at, at+len(url))
}
