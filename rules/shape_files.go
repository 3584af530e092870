package rules

import (
	"path"

	"github.com/galley-coop/galley/recipe"
)

// mountedFile is one entry of a service's configs or secrets.
type mountedFile struct {
	node   recipe.Node
	kind   string // "configs" or "secrets"
	source string
	target string // absolute, as the container sees it
	at     recipe.Range
	mode   recipe.Node
}

// mountedFiles lists a service's configs or secrets.
func mountedFiles(service recipe.Node, kind string) []mountedFile {
	root := "/"
	if kind == "secrets" {
		root = "/run/secrets"
	}
	var found []mountedFile
	for _, n := range service.Get(kind).Items() {
		f := mountedFile{node: n, kind: kind, source: n.Text(), at: n.Range()}
		target := f.source
		if n.IsMap() {
			f.source, f.mode, f.at = n.Get("source").Text(), n.Get("mode"), n.Get("source").Range()
			target = f.source
			if t := n.Get("target"); t.Text() != "" {
				target, f.at = t.Text(), t.Range()
			}
		}
		if f.source == "" {
			continue
		}
		if !path.IsAbs(target) {
			target = path.Join(root, target)
		}
		f.target = path.Clean(target)
		found = append(found, f)
	}
	return found
}
