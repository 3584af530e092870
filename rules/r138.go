package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r138 = lint.Rule{
	ID: "R138", Name: "overlay-merge",
	Summary:    "every overlay can be merged over the base file",
	Severity:   lint.Error,
	RecipeOnly: true,
	Check:      checkOverlaysMerge,
}

// checkOverlaysMerge asks for the merged model only where base and overlay have
// values of different kinds at one place.
func checkOverlaysMerge(p *lint.Pass) {
	if p.Recipe.Base == nil {
		return
	}
	for _, d := range p.Recipe.Overlays {
		checkExternalVolumes(p, d)
		base, over := conflict(nil, p.Recipe.Base.Root(), d.Root())
		if !over.Exists() || !fits(p, p.Recipe.Base) || !fits(p, d) {
			continue
		}
		if _, err := p.Model(""); err != nil {
			return
		}
		if _, err := p.Model(d.Text.Path); err == nil {
			continue
		}
		p.Report(over.KeyRange(), fmt.Sprintf("%q is %s here and %s in %s, so the two files cannot be merged; expected one form",
			over.Key(), kindOf(over), kindOf(base), p.Recipe.Base.Text.Path), lint.WithRelated(base.KeyRange(), "the base file's form"))
	}
}

// checkExternalVolumes finds volumes that one file calls external and the other
// describes. Loaders refuse both together, and S262 looks at one file only.
func checkExternalVolumes(p *lint.Pass, d *recipe.Document) {
	for name, over := range d.Lookup("volumes").Pairs() {
		base := p.Recipe.Base.Lookup("volumes", name)
		for _, key := range []string{"driver", "driver_opts", "labels"} {
			external, described := over.Get("external"), base.Get(key)
			if base.Get("external").Text() == "true" {
				external, described = base.Get("external"), over.Get(key)
			}
			if external.Text() != "true" || !described.Exists() || over.Get("external").Exists() == over.Get(key).Exists() {
				continue
			}
			here, there := external, described
			if described.Document() == d {
				here, there = described, external
			}
			p.Report(here.KeyRange(), fmt.Sprintf("volume %q has %q here and %q in %s, so the two files cannot be merged; expected one of them", name, here.Key(), there.Key(), p.Recipe.Base.Text.Path),
				lint.WithRelated(there.KeyRange(), "the base file's key"))
			break
		}
	}
}

// fits tells whether a file is right for itself: what S202 finds in one is to be
// mended first, and no loader is tried with it.
func fits(p *lint.Pass, d *recipe.Document) bool {
	issues, err := composeIssuesOf(p, d)
	return err == nil && len(issues) == 0
}

func kindOf(n recipe.Node) string {
	switch {
	case n.IsMap():
		return "a mapping"
	case n.IsList():
		return "a list"
	case n.IsNull():
		return "empty"
	}
	return "a single value"
}

// bothForms are keys of a service that may be a list in one file and a mapping
// or a single value in the other.
var bothForms = map[string]bool{
	"annotations": true, "build": true, "command": true, "depends_on": true, "dns": true, "dns_opt": true,
	"dns_search": true, "entrypoint": true, "env_file": true, "environment": true, "extra_hosts": true, "label_file": true,
	"labels": true, "models": true, "networks": true, "sysctls": true, "test": true, "tmpfs": true, "ulimits": true, "additional_contexts": true,
}

// conflict is the first place at which a base and an overlay have values of
// different kinds, absent when there is none.
func conflict(path []string, base, over recipe.Node) (recipe.Node, recipe.Node) {
	if len(path) > 1 && bothForms[last(path)] && (path[0] == "services" || last(path) == "labels") || len(path) > 16 ||
		len(path) > 0 && strings.HasPrefix(path[0], "x-") {
		return recipe.Node{}, recipe.Node{}
	}
	if over.IsNull() && last(path) != "logging" || !base.IsMap() && !base.IsList() || reset(over) {
		return recipe.Node{}, recipe.Node{}
	}
	if base.IsMap() != over.IsMap() || base.IsList() != over.IsList() {
		return base, over
	}
	for key, child := range over.Pairs() {
		below := base.Get(key)
		if base.IsList() || !below.Exists() {
			continue
		}
		if b, o := conflict(append(path, key), below, child); o.Exists() {
			return b, o
		}
	}
	return recipe.Node{}, recipe.Node{}
}
