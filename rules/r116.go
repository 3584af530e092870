package rules

import (
	"fmt"
	"slices"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/recipe/source"
)

var r116 = lint.Rule{
	ID: "R116", Name: "config-version-back",
	Summary:    "a config's version does not go back to one that had another text",
	Severity:   lint.Error,
	RecipeOnly: true,
	Check:      checkConfigBack,
}

func checkConfigBack(p *lint.Pass) {
	if p.Recipe.Script == nil && p.World.History != nil {
		return
	}
	h, ok := pastOf(p)
	if !ok {
		return
	}
	_, before, ok := h.previous()
	if !ok || before.Script == nil {
		return
	}
	said := map[recipe.Range]bool{}
	for _, c := range configsOf(p.Recipe) {
		if !c.hasExport || !c.known || c.data == nil || said[c.export.Range] {
			continue
		}
		was, ok := before.Script.Get(c.export.Name)
		if !ok || !lower(c.export.Value, was.Value) {
			continue
		}
		v, found := h.holder(c)
		if !found {
			continue
		}
		said[c.export.Range] = true
		var options []lint.Option
		next := counted(was.Value)
		options = append(options, replace(c.export.ValueRange, next, false))
		p.Report(c.export.ValueRange, fmt.Sprintf("%s went back from %q to %q, which in %q was another %s; swarm refuses to change a config: expected %s",
			c.export.Name, was.Value, c.export.Value, v.Name, shorten(c.what()), next), options...)
	}
}

// lower tells whether a version counts less than another of the same form.
func lower(version, than string) bool {
	prefix, n, ok := count(version)
	thanPrefix, m, thanOK := count(than)
	return ok && thanOK && prefix == thanPrefix && n < m
}

// holder is the newest earlier version in which a config's name stood for another
// text. One in which it stood for the same ends the search.
func (h *past) holder(c config) (source.Version, bool) {
	earlier := h.earlier()
	for _, v := range slices.Backward(earlier[max(0, len(earlier)-maxLookBack):]) {
		r := h.recipe(v)
		if r == nil {
			return source.Version{}, false
		}
		for _, was := range configsOf(r) {
			if was.known && was.name == c.name && was.data != nil {
				return v, string(was.data) != string(c.data)
			}
		}
	}
	return source.Version{}, false
}
