package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
)

var r148 = lint.Rule{
	ID: "R148", Name: "backup-label-missing",
	Summary:    "a recipe with volumes has a backup label",
	Severity:   lint.Info,
	RecipeOnly: true,
	Check:      checkBackupLabel,
}

// checkBackupLabel takes "Backups: No" in the metadata for a decision.
func checkBackupLabel(p *lint.Pass) {
	if _, claim := metadataClaim(p, "Backups"); claim == "no" || !whole(p.Recipe) {
		return
	}
	if label, _ := backupLabel(p); label.Node.Exists() {
		return
	}
	for name, volume := range p.Recipe.Base.Lookup("volumes").Pairs() {
		if volume.Get("external").Exists() || !mounted(p, name) {
			continue
		}
		p.Report(labelsPlace(p.Recipe), fmt.Sprintf("service \"app\" has no label %s in deploy.labels, and no other service has it, so backup bots leave volume %q out; expected %s=true, or Backups: No in the metadata",
			backupEnable, name, backupEnable), lint.WithRelated(volume.KeyRange(), "the volume"))
		return
	}
}

// mounted tells whether a service of the base file mounts a volume.
func mounted(p *lint.Pass, volume string) bool {
	for _, service := range p.Recipe.Base.Lookup("services").Pairs() {
		for _, m := range serviceMounts(service) {
			if m.source == volume {
				return true
			}
		}
	}
	return false
}
