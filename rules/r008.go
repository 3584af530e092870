package rules

import (
	"io/fs"
	"path"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r008 = lint.Rule{
	ID: "R008", Name: "env-sample",
	Summary:    ".env.sample is provided",
	Severity:   lint.Error,
	RecipeOnly: true,
	Check:      checkSample,
}

func checkSample(p *lint.Pass) {
	if p.Recipe.Sample != nil || unreadable(p.Recipe, recipe.SampleName) {
		return
	}
	where := lint.AtFile(recipe.SampleName)
	if near := nearSample(p.Recipe.FS()); near != "" {
		p.Reportf(where, "no %s, which an app's env file is copied from; there is %q: give it that place", recipe.SampleName, near)
		return
	}
	p.Reportf(where, "no %s, which an app's env file is copied from; expected one with at least TYPE=", recipe.SampleName)
}

// nearSample finds a sample under another name or one folder down.
func nearSample(fsys fs.FS) string {
	if fsys == nil {
		return ""
	}
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return ""
	}
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() && !strings.HasPrefix(name, ".") {
			name = path.Join(name, recipe.SampleName)
			if _, err := fs.Stat(fsys, name); err == nil {
				return name
			}
		}
		switch strings.ToLower(name) {
		case "env.sample", ".envrc.sample", ".env.example", "env.example", ".env.template", ".env-sample":
			return name
		}
	}
	return ""
}
