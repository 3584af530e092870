package rules

import (
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r152 = lint.Rule{
	ID: "R152", Name: "backup-labels-idle",
	Summary:    "a stack with backup hooks or paths switches backups on",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkIdleBackups,
}

// checkIdleBackups says it once: one label cures all.
func checkIdleBackups(p *lint.Pass) {
	if label, _ := backupLabel(p); label.Node.Exists() || !whole(p.Recipe) {
		return
	}
	said := false
	eachBackupLabel(p, func(service lint.Service, label recipe.Label) {
		if said || !strings.HasPrefix(label.Name, "backupbot.backup.") {
			return
		}
		said = true
		p.Reportf(label.NameRange, "label %q of service %q has no effect: no service has %s=true in deploy.labels; expected it beside", label.Name, service.Name, backupEnable)
	})
}
