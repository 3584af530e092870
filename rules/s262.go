package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s262 = lint.Rule{
	ID: "S262", Name: "external-conflict",
	Summary:  "what is external has nothing beside its name",
	Severity: lint.Error,
	Check:    checkExternal,
}

func checkExternal(p *lint.Pass) {
	for _, d := range p.Recipe.Documents() {
		for _, kind := range definitionKinds {
			for name, n := range d.Lookup(kind.key).Pairs() {
				external := n.Get("external")
				if !isExternal(external) {
					continue
				}
				for key, value := range n.Pairs() {
					old := key == "name" && external.Get("name").Exists()
					if key == "external" || strings.HasPrefix(key, "x-") || key == "name" && !old || reset(value) {
						continue
					}
					p.Report(value.KeyRange(), fmt.Sprintf("%s %q is external, and has the key %q as well; expected a name at most", kind.word, shorten(name), key),
						lint.WithRelated(external.KeyRange(), "external here"))
				}
			}
		}
	}
}

// isExternal tells whether the value of external says yes, in its old form too.
func isExternal(n recipe.Node) bool {
	if n.IsMap() {
		return true
	}
	value, ok := n.Any().(bool)
	return ok && value && n.IsScalar()
}
