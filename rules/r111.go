package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe/source"
)

var r111 = lint.Rule{
	ID: "R111", Name: "version-tag-form",
	Summary:    "tags that look like releases are versions: <recipe>+<app>",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkTagForm,
}

// checkTagForm leaves lightweight tags to R014.
func checkTagForm(p *lint.Pass) {
	h, ok := pastOf(p)
	if !ok {
		return
	}
	var bad []string
	for _, v := range h.tags {
		if v.Annotated && v.Parsed.App == "" && versionLike.MatchString(v.Name) {
			bad = append(bad, v.Name)
		}
	}
	reportTags(p, bad, "is no version", "are no versions", "expected <recipe>+<app>, such as "+exampleVersion(p))
}

// reportTags says one thing of some tags, of which it names a few.
func reportTags(p *lint.Pass, names []string, one, many, expected string) {
	var quoted []string
	for _, name := range names[:min(len(names), maxTags)] {
		quoted = append(quoted, fmt.Sprintf("%q", name))
	}
	list := strings.Join(quoted, ", ")
	switch more := len(names) - maxTags; {
	case len(names) == 0:
	case len(names) == 1:
		p.Reportf(composePlace(p.Recipe), "tag %s %s; %s", list, one, expected)
	case more > 0:
		p.Reportf(composePlace(p.Recipe), "tags %s and %d more %s; %s", list, more, many, expected)
	default:
		p.Reportf(composePlace(p.Recipe), "tags %s %s; %s", list, many, expected)
	}
}

// sameRecipe tells whether two releases share the recipe's part of their names.
func sameRecipe(a, b source.Version) bool { return a.Parsed.Recipe.Compare(&b.Parsed.Recipe) == 0 }
