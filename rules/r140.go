package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r140 = lint.Rule{
	ID: "R140", Name: "name-length",
	Summary:    "names fit into what swarm takes, for a long domain too",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkNameLengths,
}

// maxServiceName is the longest name, in characters, of a service or a network:
// swarm makes DNS labels of them.
const maxServiceName = 63

// checkNameLengths leaves secrets with long keys to R015.
func checkNameLengths(p *lint.Pass) {
	c := nameLengths{pass: p, stack: longStack(p.Settings.MaxDomain), seen: map[recipe.Range]bool{}}
	v := recipeValues(p.Recipe)
	env := p.Recipe.SampleEnvironment()
	env[stackName] = c.stack
	c.lookup = func(name string) (string, bool) {
		if value, ok := env[name]; ok {
			return value, true
		}
		if known, ok := v.sample[name]; ok {
			return known.text, true
		}
		return "v1", strings.HasSuffix(name, versionSuffix)
	}
	for _, service := range p.Services() {
		c.check("service", service.Name, c.stack+"_"+service.Name, service.Node.KeyRange(), maxServiceName)
	}
	eachObject(p.Recipe, func(o object) {
		if o.kind == "volume" || o.external && !o.named || o.kind == "secret" && len([]rune(o.key)) > recipe.MaxSecretName {
			return
		}
		name, err := recipe.Expand(o.name, c.lookup)
		if err != nil {
			return
		}
		if !o.named {
			name = c.stack + "_" + name
		}
		limit := recipe.MaxObjectName
		if o.kind == "network" {
			limit = maxServiceName
		}
		c.check(o.kind, o.key, name, o.at, limit)
	})
}

// longStack is a stack's name for a domain of that many characters.
func longStack(domain int) string {
	if domain <= 0 {
		domain = recipe.MaxStackName
	}
	return recipe.StackName(strings.Repeat("x", min(domain, recipe.MaxStackName)))
}

type nameLengths struct {
	pass   *lint.Pass
	stack  string
	lookup recipe.Lookup
	seen   map[recipe.Range]bool
}

func (c nameLengths) check(kind, key, name string, at recipe.Range, limit int) {
	length := len([]rune(name))
	if length <= limit || c.seen[at] {
		return
	}
	c.seen[at] = true
	shown := strings.Replace(name, c.stack, "${STACK_NAME}", 1)
	c.pass.Report(at, fmt.Sprintf("%s %q is named %q, %d characters for a stack of %d; expected at most %d, which swarm takes",
		kind, key, shown, length, len(c.stack), limit))
}
