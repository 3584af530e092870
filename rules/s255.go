package rules

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s255 = lint.Rule{
	ID: "S255", Name: "missing-config-file",
	Summary:    "the files of configs are in the recipe",
	Severity:   lint.Error,
	RecipeOnly: true,
	Check:      checkConfigFiles,
}

// checkConfigFiles leaves secrets out: their files are the operator's. Beside a
// loose compose file others may put what it names.
func checkConfigFiles(p *lint.Pass) {
	if p.Recipe.FS() == nil {
		return
	}
	for _, d := range p.Recipe.Documents() {
		for name, config := range d.Lookup("configs").Pairs() {
			file := config.Get("file")
			if !file.IsScalar() || file.Text() == "" || len(recipe.Variables(file.Text())) > 0 {
				continue
			}
			if trouble := fileTrouble(p.Recipe, file.Text()); trouble != "" {
				p.Report(firstLine(file), fmt.Sprintf("file %q of config %q %s", shorten(file.Text()), shorten(name), trouble))
			}
		}
	}
}

func fileTrouble(r *recipe.Recipe, name string) string {
	clean, inside := recipe.RelativePath(name)
	if !inside || name[0] == '~' {
		return "is outside the recipe; expected one that comes with it"
	}
	info, err := fs.Stat(r.FS(), path.Clean(clean))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "does not exist"
	case err != nil:
		return ""
	case info.IsDir():
		return "is a folder; expected a file"
	}
	return ""
}
