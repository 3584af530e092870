package rules

import (
	"slices"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r143 = lint.Rule{
	ID: "R143", Name: "metadata-range",
	Summary:    "metadata fields hold values that catalogues know",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkMetadataRange,
}

// metadataValues are what the fields may start with. A word of explanation may
// follow. The template of new recipes has "No" for Email and Tests.
var metadataValues = map[string][]string{
	"Status":      {"0", "1", "2", "3", "4", "5"},
	"Healthcheck": {"yes", "no"},
	"Backups":     {"yes", "no"},
	"Email":       {"0", "1", "2", "3", "n/a", "no"},
	"Tests":       {"0", "1", "2", "3", "no"},
	"SSO":         {"0", "1", "2", "3", "n/a", "no"},
}

// imageRatings are from an image of one's own to upstream's official one.
var imageRatings = []string{"1", "2", "3", "4"}

// checkMetadataRange leaves empty fields, placeholders and missing fields to R007.
func checkMetadataRange(p *lint.Pass) {
	if p.Recipe.Readme == nil || p.Recipe.Readme.Metadata == nil {
		return
	}
	for _, known := range metadataFields {
		field, ok := p.Recipe.Readme.Metadata.Get(known.key)
		if !ok || field.Value == "" || placeholders.MatchString(field.Value) {
			continue
		}
		if allowed, ranged := metadataValues[known.key]; ranged && !slices.Contains(allowed, firstWord(field.Value)) {
			p.Reportf(field.ValueRange, "metadata field %q is %q; expected %s", field.Key, shorten(field.Value), known.expected)
		}
		if known.key == "Image" {
			checkImageRating(p, field)
		}
	}
}

// firstWord is what a field starts with, in lower case.
func firstWord(value string) string {
	if end := strings.IndexAny(value, " \t,;("); end >= 0 {
		value = value[:end]
	}
	return strings.ToLower(value)
}

func checkImageRating(p *lint.Pass, field recipe.Field) {
	image := p.Recipe.Readme.Metadata.Image()
	switch {
	case image.URL == "":
		p.Reportf(field.ValueRange, "metadata field %q is %q, without a link; expected [`name`](https://…), 1 to 4, source", field.Key, shorten(field.Value))
	case !slices.Contains(imageRatings, image.Rating):
		p.Reportf(field.ValueRange, "metadata field %q is %q, without a rating from 1 to 4; expected [`name`](https://…), 1 to 4, source", field.Key, shorten(field.Value))
	}
}
