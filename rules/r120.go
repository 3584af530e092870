package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r120 = lint.Rule{
	ID: "R120", Name: "secret-version-declared",
	Summary:    ".env.sample declares the version of every secret",
	Severity:   lint.Error,
	RecipeOnly: true,
	Check:      checkSecretVersions,
}

// checkSecretVersions wants an active declaration for secrets of the base file,
// and any for those of overlays, which operators un-comment together.
func checkSecretVersions(p *lint.Pass) {
	sample := p.Recipe.Sample
	if sample == nil {
		return
	}
	seen := map[recipe.Range]bool{}
	for _, u := range uses(p.Recipe) {
		name := u.variable.Name
		if u.section != "secrets" || !u.naming || u.variable.Operator != "" || !isSecretVersion(name) || exported(p.Recipe, name) {
			continue
		}
		if _, active := sample.Get(name); active || u.document != p.Recipe.Base && sample.Declared(name) {
			continue
		}
		at := u.place()
		if seen[at] {
			continue
		}
		seen[at] = true
		if sample.Declared(name) {
			p.Report(at, fmt.Sprintf("the secret of every app needs %s, which %s only has in a comment; expected %s=v1", name, recipe.SampleName, name), declaredAt(p.Recipe, name)...)
			continue
		}
		p.Report(at, fmt.Sprintf("%s does not declare %s, so clients do not know of the secret; expected %s=v1", recipe.SampleName, name, name), addToSample(p.Recipe, u, name+"=v1"))
	}
}

func exported(r *recipe.Recipe, name string) bool {
	if r.Script == nil {
		return false
	}
	_, ok := r.Script.Get(name)
	return ok
}

// addToSample is the fix that declares something at the end of the sample, in a
// comment when only an overlay needs it. Operators then have to act on it.
func addToSample(r *recipe.Recipe, u use, declaration string) lint.Option {
	text := r.Sample.Text
	if u.document != r.Base {
		declaration = "#" + declaration
	}
	if n := len(text.Bytes); n > 0 && text.Bytes[n-1] != '\n' {
		declaration = "\n" + declaration
	}
	end := text.Range(len(text.Bytes), len(text.Bytes))
	return lint.WithFix(lint.Fix{
		Message: fmt.Sprintf("declare %s", strings.TrimLeft(strings.SplitN(declaration, "=", 2)[0], "#\n")),
		Edits:   []lint.Edit{{File: text.Path, Start: end.Start, End: end.End, Text: declaration + "\n"}},
	})
}
