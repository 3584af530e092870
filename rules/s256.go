package rules

import (
	"fmt"
	"io/fs"
	"path"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s256 = lint.Rule{
	ID: "S256", Name: "file-size",
	Summary:  "the files of configs and secrets have a size that swarm takes",
	Severity: lint.Error,
	Check:    checkFileSizes,
}

// fileLimits are the sizes in bytes from which swarm refuses data.
var fileLimits = []struct {
	key, word string
	limit     int64
}{{"configs", "config", 1_024_000}, {"secrets", "secret", 512_000}}

func checkFileSizes(p *lint.Pass) {
	if p.Recipe.FS() == nil {
		return
	}
	for _, d := range p.Recipe.Documents() {
		for _, kind := range fileLimits {
			for name, n := range d.Lookup(kind.key).Pairs() {
				file := n.Get("file")
				clean, inside := recipe.RelativePath(file.Text())
				if file.Text() == "" || !inside {
					continue
				}
				info, err := fs.Stat(p.Recipe.FS(), path.Clean(clean))
				if err != nil || !info.Mode().IsRegular() || info.Size() > 0 && info.Size() < kind.limit {
					continue
				}
				p.Report(firstLine(file), fmt.Sprintf("file %q of %s %q has %d bytes; swarm takes 1 to %d",
					shorten(file.Text()), kind.word, shorten(name), info.Size(), kind.limit-1))
			}
		}
	}
}
