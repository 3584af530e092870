package rules

import (
	"slices"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r117 = lint.Rule{
	ID: "R117", Name: "release-notes-missing",
	Summary:    "a new major recipe version has release notes",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkNotesMissing,
}

func checkNotesMissing(p *lint.Pass) {
	h, ok := pastOf(p)
	if !ok {
		return
	}
	l, version, ok := versionLabel(p)
	if !ok {
		return
	}
	before, ok := h.below(version)
	if !ok || before.Parsed.Recipe.Major() == version.Recipe.Major() {
		return
	}
	written := slices.ContainsFunc(p.Recipe.Notes, func(n recipe.Note) bool {
		return (n.Version == l.value || n.Next()) && n.Body() != ""
	})
	file := recipe.NotesDir + "/" + l.value
	if written || unreadable(p.Recipe, file, recipe.NotesDir, recipe.NotesDir+"/"+recipe.NextNote) {
		return
	}
	p.Reportf(l.valuePlace(), "version %q is a new major version after %q, and has no release notes; expected %s/%s to say what operators must do",
		l.value, before.Name, recipe.NotesDir, l.value)
}
