package rules

import (
	"path"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r149 = lint.Rule{
	ID: "R149", Name: "backup-volume-label",
	Summary:    "backup labels of volumes name volumes that are there, and paths within them",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkBackupVolumes,
}

const backupVolumes = "backupbot.backup.volumes."

func checkBackupVolumes(p *lint.Pass) {
	if !whole(p.Recipe) {
		return
	}
	var names []string
	for _, d := range p.Recipe.Documents() {
		for name := range d.Lookup("volumes").Pairs() {
			names = append(names, name)
		}
	}
	eachBackupLabel(p, func(service lint.Service, label recipe.Label) {
		volume, ok := backupVolume(label.Name)
		if !ok {
			return
		}
		if strings.HasSuffix(label.Name, ".path") {
			checkPathsWithin(p, service, label, volume)
		}
		for _, name := range names {
			if name == volume {
				return
			}
		}
		what := "an existing volume"
		if near := nearest(volume, names); near != "" {
			what = "\"" + near + "\""
		} else if len(names) > 0 {
			what = either(names)
		}
		p.Reportf(label.NameRange, "label %q of service %q names volume %q, which no compose file has; expected %s", label.Name, service.Name, volume, what)
	})
}

// backupVolume is the volume that a label "backupbot.backup.volumes.<volume>" or
// "….path" names, unless a variable decides.
func backupVolume(name string) (string, bool) {
	volume, ok := strings.CutPrefix(name, backupVolumes)
	volume = strings.TrimSuffix(volume, ".path")
	return volume, ok && volume != "" && !strings.Contains(volume, "$") && path.Base(volume) == volume
}

// checkPathsWithin wants paths relative to the volume's root.
func checkPathsWithin(p *lint.Pass, service lint.Service, label recipe.Label, volume string) {
	eachPart(label.Value, func(name string, at int) {
		if name[0] == '/' || strings.HasPrefix(path.Clean(name), "..") {
			p.Reportf(labelPart(label, at, at+len(name)), "label %q of service %q has the path %q, which is not within volume %q; expected one relative to the volume's root", label.Name, service.Name, name, volume)
		}
	})
}

// eachPart visits the parts of a list with commas, and where each starts.
func eachPart(list string, visit func(part string, at int)) {
	from := 0
	for _, item := range strings.Split(list, ",") {
		if part := strings.TrimSpace(item); part != "" {
			visit(part, from+strings.Index(item, part))
		}
		from += len(item) + 1
	}
}
