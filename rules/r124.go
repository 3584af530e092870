package rules

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r124 = lint.Rule{
	ID: "R124", Name: "secret-modifier-value",
	Summary:    "a secret's modifiers are written key=value, with values that clients know",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkModifierValues,
}

func checkModifierValues(p *lint.Pass) {
	for _, v := range secretVersions(p.Recipe) {
		for _, m := range v.Modifiers {
			if expected := modifierValue(m); expected != "" {
				p.Reportf(m.Range, "the modifier %q of %s has a value that clients do not know; expected %s", m.Key+"="+m.Value, v.Name, expected)
			}
		}
		checkSeparators(p, v)
	}
}

// modifierValue says what a known modifier's value should be, "" when it is.
func modifierValue(m recipe.Modifier) string {
	switch m.Key {
	case "length":
		if n, err := strconv.Atoi(m.Value); err != nil || n < 1 || n > recipe.MaxSecretLength {
			return fmt.Sprintf("a number from 1 to %d", recipe.MaxSecretLength)
		}
	case "generate":
		if m.Value != "true" && m.Value != "false" {
			return "true or false"
		}
	case "charset":
		if m.Value == "" || !recipe.KnownCharset(m.Value) {
			return either(recipe.Charsets())
		}
	}
	return ""
}

// checkSeparators finds "length: 32" and "length = 32" where "length=32" was
// meant. Clients read neither.
func checkSeparators(p *lint.Pass, v recipe.EnvVar) {
	from := strings.LastIndex(v.Comment, "#") + 1
	words := strings.FieldsFunc(v.Comment[from:], modifierSeparator)
	for i, word := range words {
		key := strings.TrimSuffix(word, ":")
		if word == key && (i+1 == len(words) || words[i+1] != "=") || !isModifier(key) || i+1 == len(words) {
			continue
		}
		value := words[i+1]
		if value == "=" && i+2 < len(words) {
			value = words[i+2]
		}
		line := p.Recipe.Sample.Text.Line(v.Range.End.Line)
		at := strings.LastIndex(line, word)
		whole := recipe.Range{File: v.Range.File, Start: recipe.Position{Line: v.Range.End.Line, Column: 1}}
		if at < 0 || modifierValue(recipe.Modifier{Key: key, Value: value}) != "" {
			continue // prose
		}
		p.Reportf(within(whole, line, at, at+len(word)), "clients do not read %q behind %s; expected %q", word, v.Name, key+"="+value)
	}
}

func isModifier(key string) bool {
	for _, known := range modifierKeys {
		if key == known {
			return true
		}
	}
	return false
}
