package rules

import (
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r151 = lint.Rule{
	ID: "R151", Name: "backup-hook-file",
	Summary:    "the scripts that backup hooks run are put into their service",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkBackupHooks,
}

// hookScript is a script of an absolute path in a command.
var hookScript = regexp.MustCompile(`(?:^|[\s'"=;&|(])(/[A-Za-z0-9._/-]+\.sh)(?:$|[\s'";&|)])`)

// checkBackupHooks judges scripts at the root of the file system, where images
// seldom have any, and those that the recipe has a file for.
func checkBackupHooks(p *lint.Pass) {
	if !whole(p.Recipe) {
		return
	}
	eachBackupLabel(p, func(service lint.Service, label recipe.Label) {
		if !strings.HasSuffix(label.Name, ".pre-hook") && !strings.HasSuffix(label.Name, ".post-hook") {
			return
		}
		for _, at := range hookScript.FindAllStringSubmatchIndex(label.Value, 16) {
			script := label.Value[at[2]:at[3]]
			file := recipeFile(p.Recipe, path.Base(script))
			if path.Dir(script) != "/" && file == "" || provided(p.Recipe, service.Name, script) {
				continue
			}
			if file == "" {
				p.Reportf(labelPart(label, at[2], at[3]), "label %q runs %q, but no config or volume puts it into service %q; expected a config with that target", label.Name, script, service.Name)
				continue
			}
			p.Reportf(labelPart(label, at[2], at[3]), "label %q runs %q, but no config or volume puts it into service %q; expected a config of %s with that target", label.Name, script, service.Name, file)
		}
	})
}

// provided tells whether a compose file puts something at a path of a service.
func provided(r *recipe.Recipe, service, file string) bool {
	for _, m := range everyMount(r, service) {
		if m.holds(file) {
			return true
		}
	}
	return false
}

// recipeFile is the recipe's file of a name, or its template, "" for none.
func recipeFile(r *recipe.Recipe, name string) string {
	for _, file := range []string{name, name + ".tmpl"} {
		if _, err := fs.Stat(r.FS(), file); err == nil {
			return file
		}
	}
	return ""
}
