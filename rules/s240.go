package rules

import (
	"fmt"
	"path"
	"slices"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s240 = lint.Rule{
	ID: "S240", Name: "undefined-reference",
	Summary:  "networks, volumes, secrets and configs that services use are defined",
	Severity: lint.Error,
	Check:    checkUndefined,
}

// checkUndefined lets an overlay rely on the base and on other overlays; what
// is always merged must stand without the others.
func checkUndefined(p *lint.Pass) {
	documents := p.Recipe.Documents()
	if slices.ContainsFunc(documents, pulls) {
		return
	}
	always := standing(p.Recipe)
	if fragment(p.Recipe) {
		return
	}
	seen := once{}
	for _, service := range p.Services() {
		among := documents
		if slices.Contains(always, service.Document) {
			among = always
		}
		for _, ref := range references(service.Node) {
			if ref.open || ref.kind == "networks" && ref.name == "default" {
				continue
			}
			if defined(among, ref) || !seen.first(ref.at) {
				continue
			}
			message, options := undefined(documents, among, ref)
			p.Report(ref.at, message, options...)
		}
	}
}

// fragment tells whether a lone file of another name than a base's is only meant
// to be merged over one: it defines nothing of a kind that its services use.
func fragment(r *recipe.Recipe) bool {
	if r.Base == nil || len(r.Overlays) > 0 || slices.Contains(recipe.ComposeNames, path.Base(r.Base.Text.Path)) {
		return false
	}
	for _, service := range r.Base.Lookup("services").Pairs() {
		for _, ref := range references(service) {
			if ref.name != "default" && !r.Base.Lookup(ref.kind).Exists() {
				return true
			}
		}
	}
	return false
}

func defined(among []*recipe.Document, ref reference) bool {
	return slices.ContainsFunc(among, func(d *recipe.Document) bool { return d.Lookup(ref.kind, ref.name).Exists() })
}

func undefined(documents, among []*recipe.Document, ref reference) (string, []lint.Option) {
	word := ref.kind[:len(ref.kind)-1]
	message := fmt.Sprintf("%s %q is not defined under %s", word, shorten(ref.name), ref.kind)
	for _, d := range documents {
		if n := d.Lookup(ref.kind, ref.name); n.Exists() {
			message = fmt.Sprintf("%s %q is only defined in the overlay %q; expected it in a file that is always merged", word, shorten(ref.name), d.Text.Path)
			return message, []lint.Option{lint.WithRelated(n.KeyRange(), "defined here")}
		}
	}
	var names []string
	for _, d := range among {
		for name := range d.Lookup(ref.kind).Pairs() {
			names = append(names, name)
		}
	}
	meant := closest(ref.name, names)
	if meant == "" {
		return message, nil
	}
	message += fmt.Sprintf("; did you mean %q?", meant)
	for _, d := range among {
		if n := d.Lookup(ref.kind, meant); n.Exists() {
			return message, []lint.Option{lint.WithRelated(n.KeyRange(), "defined here")}
		}
	}
	return message, nil
}
