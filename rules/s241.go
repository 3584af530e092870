package rules

import (
	"slices"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s241 = lint.Rule{
	ID: "S241", Name: "unused-definition",
	Summary:  "networks, volumes, secrets and configs that are defined are used",
	Severity: lint.Info,
	Check:    checkUnused,
}

// checkUnused takes a use in any file for a use: the base may define what only
// its overlays need.
func checkUnused(p *lint.Pass) {
	documents := p.Recipe.Documents()
	if slices.ContainsFunc(documents, pulls) {
		return
	}
	type name struct{ kind, name string }
	used, open := map[name]bool{}, map[string]bool{}
	slips := map[string][]string{} // by kind, the names that S240 reports
	services := 0
	for _, service := range p.Services() {
		services++
		for _, ref := range references(service.Node) {
			used[name{ref.kind, ref.name}] = true
			open[ref.kind] = open[ref.kind] || ref.open
			if !defined(documents, ref) {
				slips[ref.kind] = append(slips[ref.kind], ref.name)
			}
		}
		for _, m := range mounts(service.Node) {
			used[name{"volumes", m.source.text}] = true
		}
		if service.Node.Get("extends").Exists() {
			return
		}
	}
	if services == 0 {
		return
	}
	for _, d := range documents {
		for _, kind := range definitionKinds {
			for key, n := range d.Lookup(kind.key).Pairs() {
				implicit := kind.key == "networks" && key == "default"
				if implicit || open[kind.key] || used[name{kind.key, key}] || len(recipe.Variables(key)) > 0 || key == "" || reset(n) {
					continue
				}
				if closest(key, slips[kind.key]) != "" {
					continue // S240 asks whether it was meant
				}
				p.Reportf(n.KeyRange(), "%s %q is defined, and no service uses it", kind.word, shorten(key))
			}
		}
	}
}
