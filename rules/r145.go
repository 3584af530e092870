package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r145 = lint.Rule{
	ID: "R145", Name: "backups-claim",
	Summary:    "the metadata's Backups is true of the labels",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkBackupsClaim,
}

// checkBackupsClaim takes backup functions of abra.sh for backups: older
// recipes have those in place of labels.
func checkBackupsClaim(p *lint.Pass) {
	field, claim := metadataClaim(p, "Backups")
	if claim == "" {
		return
	}
	label, on := backupLabel(p)
	switch {
	case claim == "yes" && !on && !backupFunctions(p.Recipe):
		p.Reportf(field.ValueRange, "the metadata says Backups: %s, but no service has the label backupbot.backup=true in deploy.labels; expected one, or No", field.Value)
	case claim == "no" && on:
		p.Report(field.ValueRange, fmt.Sprintf("the metadata says Backups: %s, but service labels switch backups on; expected Yes", field.Value),
			lint.WithRelated(label.NameRange, "switched on here"), claimFix(field, "Yes"))
	}
}

const backupEnable = "backupbot.backup"

// backupLabel finds the label that switches a stack's backups on, else one that
// switches them off.
func backupLabel(p *lint.Pass) (found recipe.Label, on bool) {
	lookup := recipe.MapLookup(p.Recipe.SampleEnvironment())
	eachBackupLabel(p, func(_ lint.Service, label recipe.Label) {
		if strings.TrimSpace(label.Name) == backupEnable && !on {
			found, on = label, enabled(label.Value, lookup)
		}
	})
	return found, on
}

// eachBackupLabel visits the labels in deploy.labels that speak to a backup bot.
func eachBackupLabel(p *lint.Pass, visit func(lint.Service, recipe.Label)) {
	for _, service := range p.Services() {
		labels := service.Node.Get("deploy", "labels")
		if !hasBackupLabel(labels) {
			continue
		}
		for _, label := range recipe.Labels(labels) {
			if strings.HasPrefix(label.Name, "backupbot.") {
				visit(service, label)
			}
		}
	}
}

// hasBackupLabel spares most services the places of their labels.
func hasBackupLabel(labels recipe.Node) bool {
	for _, item := range labels.Items() {
		if strings.HasPrefix(item.Text(), "backupbot.") {
			return true
		}
	}
	for name := range labels.Pairs() {
		if strings.HasPrefix(name, "backupbot.") {
			return true
		}
	}
	return false
}

func backupFunctions(r *recipe.Recipe) bool {
	if r.Script == nil {
		return false
	}
	for _, f := range r.Script.Functions {
		if strings.HasPrefix(f.Name, "abra_backup") {
			return true
		}
	}
	return false
}
