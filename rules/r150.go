package rules

import (
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r150 = lint.Rule{
	ID: "R150", Name: "backup-path-unmounted",
	Summary:    "a backup path is on a volume of its service",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkBackupPaths,
}

func checkBackupPaths(p *lint.Pass) {
	if !whole(p.Recipe) {
		return
	}
	eachBackupLabel(p, func(service lint.Service, label recipe.Label) {
		if label.Name != backupEnable+".path" {
			return
		}
		mounts := everyMount(p.Recipe, service.Name)
		eachPart(label.Value, func(path string, at int) {
			if strings.HasPrefix(path, "/") && !strings.Contains(path, "$") && !onVolume(mounts, path) {
				p.Reportf(labelPart(label, at, at+len(path)), "label %q of service %q names %q, which is on none of its volumes; backups are of volumes, so expected a path below a volume's", label.Name, service.Name, path)
			}
		})
	})
}

// onVolume tells whether a path is below a volume, or has one below it.
func onVolume(mounts []mount, path string) bool {
	for _, m := range mounts {
		if !m.file && (m.holds(path) || strings.HasPrefix(m.target, strings.TrimRight(path, "/")+"/")) {
			return true
		}
	}
	return false
}

// labelPart is where bytes of a label's value stand.
func labelPart(label recipe.Label, from, to int) recipe.Range {
	shift := 0
	if label.Node.Key() == "" {
		shift = len(label.Node.Text()) - len(label.Value)
	}
	return label.Node.Sub(shift+from, shift+to)
}
