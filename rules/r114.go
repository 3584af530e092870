package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe/source"
)

var r114 = lint.Rule{
	ID: "R114", Name: "config-not-bumped",
	Summary:    "a config that changed since the last version has a new name",
	Severity:   lint.Error,
	RecipeOnly: true,
	Check:      checkConfigBumped,
}

// checkConfigBumped compares what a deploy creates under each name. Names that
// the recipe does not know in full are R012's.
func checkConfigBumped(p *lint.Pass) {
	now := configsOf(p.Recipe)
	if len(now) == 0 && p.World.History != nil {
		return
	}
	h, ok := pastOf(p)
	if !ok {
		return
	}
	version, before, ok := h.previous()
	if !ok {
		return
	}
	was := map[string][]config{}
	for _, c := range configsOf(before) {
		if c.known && c.data != nil {
			was[c.name] = append(was[c.name], c)
		}
	}
	for _, c := range now {
		old := was[c.name]
		if !c.known || c.data == nil || len(old) == 0 || anySame(old, c) {
			continue
		}
		reportStale(p, version, old, c)
	}
}

func anySame(configs []config, c config) bool {
	for _, other := range configs {
		if other.same(c) {
			return true
		}
	}
	return false
}

func reportStale(p *lint.Pass, version source.Version, old []config, c config) {
	at, what := place(c.fileNode), fmt.Sprintf("%s changed since %q", shorten(c.what()), version.Name)
	if was := old[0].what(); was != c.what() {
		what = fmt.Sprintf("%s is not what %s was in %q", shorten(c.what()), shorten(was), version.Name)
	}
	consequence := "swarm refuses to change a config"
	for _, o := range old {
		if string(o.data) == string(c.data) && c.driverNode.Exists() {
			at, what = place(c.driverNode), fmt.Sprintf("template_driver %s is new since %q", shorten(c.driver), version.Name)
			consequence = "swarm keeps a config as it was made"
		}
	}
	var options []lint.Option
	expected := "a name with a version in it"
	switch next := counted(c.export.Value); {
	case c.hasExport && next != "":
		expected = fmt.Sprintf("%s=%s", c.export.Name, next)
		options = append(options, lint.WithRelated(c.export.Range, "the version that stayed"), replace(c.export.ValueRange, next, false))
	case c.hasExport:
		expected = fmt.Sprintf("a new %s", c.export.Name)
		options = append(options, lint.WithRelated(c.export.Range, "the version that stayed"))
	case c.nameNode.Exists():
		expected = "a new name"
		options = append(options, lint.WithRelated(c.nameNode.Range(), "the name that stayed"))
	}
	p.Report(at, fmt.Sprintf("%s, and config %q still has the name %s; %s: expected %s",
		what, c.key, shorten(c.name), consequence, expected), options...)
}
