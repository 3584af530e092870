package rules

import (
	"regexp"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r007 = lint.Rule{
	ID: "R007", Name: "readme-metadata",
	Summary:    "README.md has a metadata block with every field filled in",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkMetadata,
}

// metadataFields are the fields of the block, with what they may hold.
var metadataFields = []struct{ key, expected string }{
	{"Category", "such as Apps or Utilities"},
	{"Status", "0 to 5"},
	{"Image", "[`name`](https://…), 1 to 4, source"},
	{"Healthcheck", "Yes or No"},
	{"Backups", "Yes or No"},
	{"Email", "0 to 3 or N/A"},
	{"Tests", "0 to 3"},
	{"SSO", "0 to 3, N/A or No"},
}

func checkMetadata(p *lint.Pass) {
	readme := p.Recipe.Readme
	if readme == nil {
		if !unreadable(p.Recipe, recipe.ReadmeName) {
			p.Reportf(lint.AtFile(recipe.ReadmeName), "no %s; expected one with a metadata block", recipe.ReadmeName)
		}
		return
	}
	block := readme.Metadata
	if block == nil {
		p.Reportf(lint.AtFile(readme.Text.Path), `no metadata block; expected "<!-- metadata -->" to "<!-- endmetadata -->" with %s and so on`, metadataFields[0].key)
		return
	}
	for _, problem := range block.Problems {
		p.Report(problem.Range, problem.Message)
	}
	var missing []string
	for _, known := range metadataFields {
		field, ok := block.Get(known.key)
		if !ok {
			missing = append(missing, known.key)
			continue
		}
		checkField(p, field, known.expected)
	}
	if len(missing) > 0 {
		p.Reportf(readme.Text.LineRange(block.Range.Start.Line), "the metadata block lacks %s", strings.Join(missing, ", "))
	}
}

func checkField(p *lint.Pass, field recipe.Field, expected string) {
	if field.Value == "" {
		p.Reportf(field.KeyRange, "metadata field %q is empty; expected %s", field.Key, expected)
		return
	}
	if at := placeholders.FindStringIndex(field.Value); at != nil {
		p.Reportf(within(field.ValueRange, field.Value, at[0], at[1]), "metadata field %q still has the placeholder %q; expected %s",
			field.Key, field.Value[at[0]:at[1]], expected)
	}
}

// placeholders are what templates leave behind for a maintainer to fill in: a
// question mark, ${REPO_NAME}, {{ .Name }}, <name>, to-do words.
var placeholders = regexp.MustCompile(`^\?|\$\{[^}]*\}|\$[A-Z_]{2,}|\{\{[^}]*\}\}|^<[^>]*>$|^(?i:to[-]?do|tbd|fix[-]?me|x{3,}|\.{3}|…)$`)
