package rules

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r136 = lint.Rule{
	ID: "R136", Name: "compose-file-missing",
	Summary:    "every file that a COMPOSE_FILE of .env.sample names is there",
	Severity:   lint.Error,
	RecipeOnly: true,
	Check:      checkComposeFiles,
}

// checkComposeFiles looks at commented lines too: operators un-comment them.
func checkComposeFiles(p *lint.Pass) {
	eachComposeFile(p.Recipe, func(name string, at recipe.Range) {
		clean, inside := recipe.RelativePath(name)
		if !inside {
			p.Reportf(at, "COMPOSE_FILE names %q, outside of the recipe; expected a compose file of the recipe", name)
			return
		}
		if _, err := fs.Stat(p.Recipe.FS(), clean); err == nil {
			return
		}
		var names []string
		for _, d := range p.Recipe.Documents() {
			names = append(names, d.Text.Path)
		}
		near := nearestFile(clean, names)
		if near == "" {
			p.Reportf(at, "COMPOSE_FILE names %q, which is not there; expected a compose file of the recipe", name)
			return
		}
		p.Report(at, fmt.Sprintf("COMPOSE_FILE names %q, which is not there; expected %q", name, near), lint.WithFix(lint.Fix{
			Message: fmt.Sprintf("name %s", near),
			Edits:   []lint.Edit{{File: at.File, Start: at.Start, End: at.End, Text: near}},
		}))
	})
}

// nearestFile is a file that a name was probably meant to be: nearly the same,
// or the same in a folder or with the other ending.
func nearestFile(name string, names []string) string {
	for _, n := range names {
		if strings.TrimSuffix(n, path.Ext(n)) == strings.TrimSuffix(name, path.Ext(name)) || path.Base(n) == path.Base(name) {
			return n
		}
	}
	return nearest(name, names)
}

// eachComposeFile visits the files that the sample's COMPOSE_FILE lines name,
// commented ones too, with the place of each. Names that hold variables say
// nothing by themselves.
func eachComposeFile(r *recipe.Recipe, visit func(name string, at recipe.Range)) {
	if r.Sample == nil || r.FS() == nil {
		return
	}
	for _, v := range r.Sample.Vars() {
		if v.Name != "COMPOSE_FILE" {
			continue
		}
		at := r.Sample.Text.Offset(v.ValueRange.Start)
		for _, item := range strings.Split(v.Raw, ":") {
			name := strings.Trim(item, " \t\"'")
			from := at + strings.Index(item, name)
			at += len(item) + 1
			if name != "" && !strings.ContainsAny(name, "$\n{}") {
				visit(name, r.Sample.Text.Range(from, from+len(name)))
			}
		}
	}
}
