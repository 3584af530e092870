package rules

import (
	"slices"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r127 = lint.Rule{
	ID: "R127", Name: "sample-variable-unused",
	Summary:    "a compose file or a template takes every variable of .env.sample",
	Severity:   lint.Info,
	RecipeOnly: true,
	Check:      checkSampleUnused,
}

// clientVariables are those that clients themselves read.
var clientVariables = []string{"TYPE", "RECIPE", "COMPOSE_FILE", "ENABLE_AUTO_UPDATE", stackName}

func checkSampleUnused(p *lint.Pass) {
	if p.Recipe.Sample == nil || !whole(p.Recipe) {
		return
	}
	taken, script := mentioned(p.Recipe), ""
	if p.Recipe.Script != nil {
		script = string(p.Recipe.Script.Text.Bytes)
	}
	for _, v := range variableFacts(p.Recipe.Sample) {
		if v.Name == "DOMAIN" || isSecretVersion(v.Name) || clientVariable(v.Name) || taken.has(v.Name) || countWord(script, v.Name) > 0 || usedInSample(p.Recipe.Sample, v.Name) {
			continue // DOMAIN is R128's, secrets are R126's
		}
		p.Reportf(v.NameRange, "no compose file, no template and not %s takes %s, so it reaches nothing, unless a client hands all of an app's env file to a service; expected it in a service's environment, or no %s",
			recipe.ScriptName, v.Name, v.Name)
	}
}

// clientVariable tells what clients read: the above, and lists of commands to
// run around a deploy.
func clientVariable(name string) bool {
	return slices.Contains(clientVariables, name) || strings.HasSuffix(name, "_CMDS")
}

// usedInSample tells whether another value of the sample takes a variable.
func usedInSample(sample *recipe.EnvFile, name string) bool {
	return slices.ContainsFunc(sample.Vars(), func(v recipe.EnvVar) bool {
		return v.Name != name && strings.Contains(v.Raw, "$") && countWord(v.Raw, name) > 0
	})
}
