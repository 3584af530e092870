package rules

import (
	"slices"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r139 = lint.Rule{
	ID: "R139", Name: "name-without-stack",
	Summary:    "names that a recipe gives start with ${STACK_NAME}",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkNamesHaveStack,
}

// checkNamesHaveStack leaves networks and volumes alone that exist outside of
// the stack, such as proxy, and names that a variable of the operator's is in.
// Secrets and configs never are shared: their versions are a recipe's own.
func checkNamesHaveStack(p *lint.Pass) {
	seen := map[recipe.Range]bool{}
	eachObject(p.Recipe, func(o object) {
		outside := o.external && (o.kind == "network" || o.kind == "volume")
		if outside || seen[o.at] || !o.named && !o.external {
			return
		}
		for _, v := range recipe.Variables(o.name) {
			if !strings.HasSuffix(v.Name, versionSuffix) {
				return
			}
		}
		seen[o.at] = true
		p.Reportf(o.at, "the name %q of %s %q is the same for every app on a server; expected ${STACK_NAME}_%s in it", shorten(o.name), o.kind, o.key, o.key)
	})
}

// object is a network, volume, config or secret of one compose file.
type object struct {
	kind, key string
	name      string // as written; the key without a name
	named     bool
	external  bool
	at        recipe.Range // of the name, else of the key
	node      recipe.Node
	nameNode  recipe.Node
}

var objectKinds = []string{"network", "volume", "config", "secret"}

func eachObject(r *recipe.Recipe, visit func(object)) {
	for _, d := range r.Documents() {
		for _, kind := range objectKinds {
			for key, node := range d.Lookup(kind + "s").Pairs() {
				o := object{kind: kind, key: key, name: key, node: node, at: node.KeyRange()}
				external := node.Get("external")
				o.external = external.IsMap() || slices.Contains([]string{"true", "yes", "on"}, strings.ToLower(external.Text()))
				for _, n := range []recipe.Node{node.Get("name"), external.Get("name")} {
					if n.IsString() && n.Text() != "" && !o.named {
						o.name, o.named, o.nameNode, o.at = n.Text(), true, n, firstLine(n)
					}
				}
				visit(o)
			}
		}
	}
}
