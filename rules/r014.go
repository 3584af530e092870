package rules

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/galley-coop/galley/lint"
)

var r014 = lint.Rule{
	ID: "R014", Name: "annotated-tags",
	Summary:    "only annotated tags are used for recipe versions",
	Severity:   lint.Error,
	RecipeOnly: true,
	Check:      checkAnnotated,
}

// versionLike is what a tag looks like that someone took for a release: numbers
// with dots, perhaps a "v" before them, anything behind.
var versionLike = regexp.MustCompile(`^v?[0-9]+(\.[0-9]+)+([-+._].*)?$|^v?[0-9]+\+`)

// maxTags is how many tags a message names.
const maxTags = 5

func checkAnnotated(p *lint.Pass) {
	if p.World.History == nil {
		p.Skip("no git history")
		return
	}
	versions, err := p.World.History.Versions(p.Context)
	if err != nil {
		p.Skip(fmt.Sprintf("the git history cannot be read: %v", err))
		return
	}
	var names []string
	for _, v := range versions {
		if !v.Annotated && v.Err == nil && versionLike.MatchString(v.Name) {
			names = append(names, fmt.Sprintf("%q", v.Name))
		}
	}
	switch more := len(names) - maxTags; {
	case len(names) == 0:
	case len(names) == 1:
		p.Reportf(composePlace(p.Recipe), "tag %s is lightweight; expected an annotated one (git tag -a)", names[0])
	case more > 0:
		p.Reportf(composePlace(p.Recipe), "tags %s and %d more are lightweight; expected annotated ones (git tag -a)", strings.Join(names[:maxTags], ", "), more)
	default:
		p.Reportf(composePlace(p.Recipe), "tags %s are lightweight; expected annotated ones (git tag -a)", strings.Join(names, ", "))
	}
}
