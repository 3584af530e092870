package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s264 = lint.Rule{
	ID: "S264", Name: "mount-form",
	Summary:  "volumes have a source and a target that fit their type",
	Severity: lint.Error,
	Check:    checkMountForms,
}

func checkMountForms(p *lint.Pass) {
	seen := once{}
	for _, service := range p.Services() {
		for _, m := range mounts(service.Node) {
			at, message := mountTrouble(m)
			if message != "" && seen.first(at) {
				p.Report(at, message)
			}
		}
	}
}

// mountTrouble is what docker stack deploy, or the task's node, refuses a mount for.
func mountTrouble(m volumeEntry) (recipe.Range, string) {
	source, target := m.source.text, m.target.text
	switch {
	case m.long && m.kind == "bind" && source == "":
		return m.node.Get("type").Range(), "a mount of type bind has no source; expected the path on the node"
	case m.long && m.kind == "tmpfs" && source != "":
		return m.sourceRange(), fmt.Sprintf("a mount of type tmpfs has the source %q; expected none", shorten(source))
	case m.long && m.kind == "volume" && (pathLike(source) || strings.Contains(source, "/") && source[0] != '$'):
		return m.sourceRange(), fmt.Sprintf("a mount of type volume has the path %q as its source; expected a name under volumes, or type: bind", shorten(source))
	case m.long && m.kind != "" && target == "":
		return m.node.Get("type").Range(), fmt.Sprintf("a mount of type %s has no target; expected a path in the container", shorten(m.kind))
	case m.windows() || m.kind == "npipe" || m.kind == "cluster":
		return recipe.Range{}, ""
	case target != "" && target[0] != '/' && target[0] != '$':
		return m.targetRange(), fmt.Sprintf("the mount's target %q is no absolute path, and no node takes it; expected one that starts with /", shorten(target))
	}
	return recipe.Range{}, ""
}

// windows tells whether docker reads a drive letter where the mount starts, or
// where its target does.
func (m volumeEntry) windows() bool {
	return !m.long && (drive(m.source.text) || drive(m.target.text) && m.options != "")
}

func drive(name string) bool { return len(name) == 1 && isAlphanumeric(name[0]) && name[0] > '9' }
