package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/registry"
)

var i414 = lint.Rule{
	ID: "I414", Name: "tag-moved",
	Summary:  "tags still lead to what the catalogue published under them",
	Severity: lint.Warning,
	Check:    checkTagMoved,
}

// checkTagMoved looks at images without a digest: one with a digest stays what
// it is, whatever its tag does.
func checkTagMoved(p *lint.Pass) {
	if p.World.Pins == nil {
		p.Skip("offline: no catalogue to compare with")
		return
	}
	published, err := p.World.Pins.Digests(p.Context, p.Recipe.Name)
	if err != nil {
		p.Skip(fmt.Sprintf("the catalogue cannot be read: %s", shorten(err.Error())))
		return
	}
	eachAnswer(p, func(i image, ref registry.Reference, facts *lint.ImageFacts) bool {
		pin := published[ref.String()]
		if facts == nil || ref.Digest != "" || pin == "" || pin == facts.Digest {
			return false
		}
		i.reportTag(p, "tag %q of service %q leads to %s now, and to %s in the catalogue; expected a new version of the recipe, or an answer from the project",
			i.tag, i.service, shortDigest(facts.Digest), shortDigest(pin))
		return true
	})
}
