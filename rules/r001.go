package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

// expectedVersion is the compose file format that recipes are written in.
const expectedVersion = "3.8"

var r001 = lint.Rule{
	ID: "R001", Name: "compose-version",
	Summary:    `compose files say version: "3.8"`,
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkComposeVersion,
}

// checkComposeVersion looks at overlays too: docker stack deploy refuses to
// merge files of different versions. The number 3.8 is the schema's business.
func checkComposeVersion(p *lint.Pass) {
	for _, d := range p.Recipe.Documents() {
		if !d.Root().IsMap() {
			continue
		}
		var options []lint.Option
		if d != p.Recipe.Base && p.Recipe.Base != nil {
			if base := p.Recipe.Base.Lookup("version"); base.Exists() {
				options = append(options, lint.WithRelated(base.Range(), "the base file's version, which an overlay must share"))
			}
		}
		version := d.Lookup("version")
		if !version.Exists() {
			p.Report(lint.AtFile(d.Text.Path), fmt.Sprintf("no version; expected version: %q", expectedVersion), options...)
			continue
		}
		if version.Text() != expectedVersion {
			p.Report(place(version), fmt.Sprintf("version is %s; expected %q", describe(version), expectedVersion), options...)
		}
	}
}

// describe names a value: the text of a scalar, the kind of anything else.
func describe(n recipe.Node) string {
	switch {
	case n.IsMap():
		return "a mapping"
	case n.IsList():
		return "a list"
	case n.IsNull():
		return "empty"
	}
	return fmt.Sprintf("%q", shorten(n.Text()))
}
