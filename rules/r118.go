package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r118 = lint.Rule{
	ID: "R118", Name: "release-notes-stray",
	Summary:    "release notes are named after a version that exists, or next",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkNotesStray,
}

// checkNotesStray knows of tags only where there are some: a shallow clone has
// none, and says nothing of the versions that exist.
func checkNotesStray(p *lint.Pass) {
	var named []recipe.Note
	for _, n := range p.Recipe.Notes {
		if n.Next() {
			continue
		}
		if _, err := n.Parsed(); err != nil {
			p.Reportf(lint.AtFile(n.Text.Path), "release notes %q are not named after a version, so no client shows them; expected a name such as %s", n.Version, exampleVersion(p))
			continue
		}
		named = append(named, n)
	}
	if len(p.Recipe.Notes) == 0 && p.World.History != nil {
		return
	}
	h, ok := pastOf(p)
	if !ok || len(h.releases) == 0 {
		return
	}
	l, _, _ := versionLabel(p)
	for _, n := range named {
		if n.Version != l.value && h.named(n.Version) < 0 {
			p.Report(lint.AtFile(n.Text.Path), fmt.Sprintf("release notes for version %q, which is neither tagged nor the version label's%s", n.Version, h.likely(n)))
		}
	}
	for _, n := range p.Recipe.Notes {
		if n.Next() && n.Body() != "" {
			h.checkNext(n)
		}
	}
}

// likely names the release that notes were meant for, if one shares their recipe
// version.
func (h *past) likely(n recipe.Note) string {
	version, _ := n.Parsed()
	for _, v := range h.releases {
		if v.Parsed.Recipe.Compare(&version.Recipe) == 0 {
			return fmt.Sprintf("; expected %q", v.Name)
		}
	}
	return ""
}

// checkNext finds notes for the coming version that the last one was released
// with: they should have taken its name.
func (h *past) checkNext(n recipe.Note) {
	if len(h.releases) == 0 {
		return
	}
	newest := h.releases[len(h.releases)-1]
	released := h.recipe(newest)
	if released == nil {
		return
	}
	for _, was := range released.Notes {
		if was.Next() && was.Body() == n.Body() {
			h.pass.Reportf(lint.AtFile(n.Text.Path), "release notes %q went out with version %q, and no client shows them; expected them to be renamed to it", n.Version, newest.Name)
		}
	}
}
