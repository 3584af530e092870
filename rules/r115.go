package rules

import (
	"slices"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r115 = lint.Rule{
	ID: "R115", Name: "config-bumped-idly",
	Summary:    "a config's version is raised when its file changed",
	Severity:   lint.Info,
	RecipeOnly: true,
	Check:      checkIdleBump,
}

// maxLookBack bounds how many versions are read to learn what a name stood for.
const maxLookBack = 50

func checkIdleBump(p *lint.Pass) {
	if p.Recipe.Script == nil && p.World.History != nil {
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
	old := configsOf(before)
	said := map[recipe.Range]bool{}
	now := configsOf(p.Recipe)
	for _, c := range now {
		if said[c.export.Range] || !c.hasExport || !idle(c, old) {
			continue
		}
		shared := slices.ContainsFunc(now, func(other config) bool {
			return other.hasExport && other.export.Name == c.export.Name && !idle(other, old)
		})
		was := earlierOf(c, old)
		if shared || h.mended(was) {
			continue
		}
		said[c.export.Range] = true
		p.Reportf(c.export.ValueRange, "%s went from %q to %q, but %s is what it was in %q; expected a new version for a new text alone",
			c.export.Name, was.export.Value, c.export.Value, shorten(c.what()), version.Name)
	}
}

// idle tells whether only the version in a config's name changed.
func idle(c config, old []config) bool {
	was := earlierOf(c, old)
	return was.hasExport && was.export.Name == c.export.Name && was.written == c.written &&
		was.export.Value != c.export.Value && c.data != nil && was.same(c)
}

// earlierOf is the config of that key and written name in an earlier version, the
// zero config without one.
func earlierOf(c config, old []config) config {
	i := slices.IndexFunc(old, func(o config) bool { return o.key == c.key && o.written == c.written })
	if i < 0 {
		return config{}
	}
	return old[i]
}

// mended tells whether a name stood for something else in an older version: then
// the version before forgot to raise it, and now is the time.
func (h *past) mended(c config) bool {
	earlier := h.earlier()
	for _, v := range slices.Backward(earlier[max(0, len(earlier)-maxLookBack):]) {
		r := h.recipe(v)
		if r == nil {
			return false
		}
		was := earlierOf(c, configsOf(r))
		if was.name != c.name {
			return false
		}
		if !was.same(c) {
			return true
		}
	}
	return false
}
