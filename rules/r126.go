package rules

import (
	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r126 = lint.Rule{
	ID: "R126", Name: "sample-secret-unused",
	Summary:    "every secret that .env.sample declares is one of a compose file",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkSampleSecrets,
}

func checkSampleSecrets(p *lint.Pass) {
	if !whole(p.Recipe) {
		return
	}
	declared := secretVersions(p.Recipe)
	if len(declared) == 0 {
		return
	}
	taken := mentioned(p.Recipe)
	seen := map[string]bool{}
	for _, v := range declared {
		if seen[v.Name] || taken.has(v.Name) {
			continue
		}
		seen[v.Name] = true
		p.Reportf(v.NameRange, "%s is the version of a secret that no compose file has; expected one named after it, or no %s", v.Name, v.Name)
	}
}

// variableFacts are the sample's declarations, each variable once: the active
// one first, else the first commented one.
func variableFacts(sample *recipe.EnvFile) []recipe.EnvVar {
	var kept []recipe.EnvVar
	index := map[string]int{}
	for _, v := range sample.Vars() {
		i, seen := index[v.Name]
		switch {
		case !seen:
			index[v.Name] = len(kept)
			kept = append(kept, v)
		case kept[i].Commented && !v.Commented:
			kept[i] = v
		}
	}
	return kept
}
