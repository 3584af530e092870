package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r123 = lint.Rule{
	ID: "R123", Name: "secret-modifier-unknown",
	Summary:    "a secret's modifiers are length, generate and charset",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkModifierKeys,
}

// modifierKeys are the modifiers that clients know.
var modifierKeys = []string{"length", "generate", "charset"}

// checkModifierKeys takes a comment for modifiers when it is made of nothing
// else, or when a word of it is nearly one: prose may hold a "=" too.
func checkModifierKeys(p *lint.Pass) {
	for _, v := range secretVersions(p.Recipe) {
		plain := onlyModifiers(v)
		for _, m := range v.Modifiers {
			near := nearest(m.Key, modifierKeys)
			if slices.Contains(modifierKeys, m.Key) || !plain && near == "" {
				continue
			}
			if near == "" {
				p.Reportf(m.Range, "clients do not know the modifier %q of %s; expected %s", m.Key+"="+m.Value, v.Name, either(modifierKeys))
				continue
			}
			p.Report(m.Range, fmt.Sprintf("clients do not know the modifier %q of %s; expected %q", m.Key+"="+m.Value, v.Name, near+"="),
				lint.WithFix(lint.Fix{
					Message: fmt.Sprintf("write %s", near),
					Edits:   []lint.Edit{{File: m.Range.File, Start: m.Range.Start, End: m.Range.End, Text: near + "=" + m.Value}},
				}))
		}
	}
}

// secretVersions lists the declarations of SECRET_*_VERSION in the sample, the
// commented ones among them.
func secretVersions(r *recipe.Recipe) []recipe.EnvVar {
	if r.Sample == nil {
		return nil
	}
	return slices.DeleteFunc(r.Sample.Vars(), func(v recipe.EnvVar) bool { return !isSecretVersion(v.Name) })
}

func onlyModifiers(v recipe.EnvVar) bool {
	words := strings.FieldsFunc(v.Comment, modifierSeparator)
	return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(word, "=") })
}

func modifierSeparator(r rune) bool { return strings.ContainsRune(" \t,;#", r) }

// nearest is the word that another was probably meant to be, "" when none is
// near: in another case, or with at most two letters wrong.
func nearest(word string, words []string) string {
	best, distance := "", 3
	for _, w := range words {
		if d := fault.Distance(strings.ToLower(word), w); d < distance {
			best, distance = w, d
		}
	}
	return best
}
