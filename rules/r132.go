package rules

import (
	"strings"

	"github.com/galley-coop/galley/lint"
)

var r132 = lint.Rule{
	ID: "R132", Name: "export-unused",
	Summary:    "a config uses every version that abra.sh exports",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkExportsUsed,
}

func checkExportsUsed(p *lint.Pass) {
	script := p.Recipe.Script
	if script == nil || len(script.Problems) > 0 || !whole(p.Recipe) {
		return
	}
	assigned := map[string]int{}
	for _, e := range script.Exports {
		assigned[e.Name]++
	}
	var taken *mentions
	seen := map[string]bool{}
	for _, e := range script.Exports {
		if seen[e.Name] || !e.Exported || !strings.HasSuffix(e.Name, versionSuffix) {
			continue
		}
		seen[e.Name] = true
		if taken == nil {
			taken = mentioned(p.Recipe)
		}
		if taken.has(e.Name) || countWord(string(script.Text.Bytes), e.Name) > assigned[e.Name] ||
			p.Recipe.Sample != nil && p.Recipe.Sample.Declared(e.Name) {
			continue
		}
		p.Reportf(e.NameRange, "no config is named after %s, so raising it deploys nothing; expected %s in a config's name, or no such export", e.Name, placeholderFor(e.Name))
	}
}

// placeholderFor is how a name takes a variable.
func placeholderFor(name string) string { return "${" + name + "}" }
