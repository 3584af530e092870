package rules

import (
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var c334 = lint.Rule{
	ID: "C334", Name: "shared-volume",
	Summary:  "one service writes to a volume, others read",
	Severity: lint.Info,
	Off:      true,
	Check:    checkSharedVolume,
}

func checkSharedVolume(p *lint.Pass) {
	for _, d := range p.Recipe.Documents() {
		writers := map[string]string{}
		for service, node := range d.Lookup("services").Pairs() {
			for _, item := range node.Get("volumes").Items() {
				name, at, writable := namedVolume(item)
				if name == "" || !writable {
					continue
				}
				first := writers[name]
				if first == "" {
					writers[name] = service
				}
				if first != "" && first != service {
					p.Reportf(at, "volume %q is writable for service %q as it is for %q: whoever takes one over has the other's files; expected :ro in one of them", name, service, first)
				}
			}
		}
	}
}

// namedVolume reads the volume of a mount, where its name stands, and whether
// the mount can be written to. The name is "" for other mounts.
func namedVolume(item recipe.Node) (name string, at recipe.Range, writable bool) {
	if item.IsMap() {
		source := item.Get("source")
		if item.Get("type").Text() != "volume" || !source.IsString() {
			return "", recipe.Range{}, false
		}
		return source.Text(), source.Range(), !truthy(item.Get("read_only").Text())
	}
	name, rest, ok := strings.Cut(item.Text(), ":")
	if !ok || name == "" || strings.ContainsAny(name, "/.~$") {
		return "", recipe.Range{}, false
	}
	_, options, _ := strings.Cut(rest, ":")
	return name, item.Sub(0, len(name)), !strings.Contains(","+options+",", ",ro,")
}
