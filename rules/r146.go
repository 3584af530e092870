package rules

import (
	"fmt"
	"path"
	"strings"

	"github.com/galley-coop/galley/lint"
)

var r146 = lint.Rule{
	ID: "R146", Name: "image-claim",
	Summary:    "the metadata's Image is the image of a service",
	Severity:   lint.Warning,
	RecipeOnly: true,
	Check:      checkImageClaim,
}

// checkImageClaim compares the last part of names: the metadata says "nginx" of
// docker.io/library/nginx.
func checkImageClaim(p *lint.Pass) {
	if p.Recipe.Readme == nil || p.Recipe.Readme.Metadata == nil || !whole(p.Recipe) {
		return
	}
	field, _ := p.Recipe.Readme.Metadata.Get("Image")
	claim := p.Recipe.Readme.Metadata.Image()
	if claim.Name == "" || placeholders.MatchString(field.Value) {
		return
	}
	v := recipeValues(p.Recipe)
	app := baseService(p.Recipe, "app").Get("image")
	for _, service := range p.Services() {
		image := service.Node.Get("image")
		if !image.IsString() {
			continue
		}
		reading := v.expand(image.Text())
		name := path.Base(repository(reading.text))
		if reading.guessed() || strings.EqualFold(name, path.Base(repository(claim.Name))) || strings.Contains(strings.ToLower(claim.URL), "/"+strings.ToLower(name)) {
			return
		}
	}
	if !app.IsString() {
		return
	}
	at := strings.Index(field.Value, claim.Name)
	p.Report(within(field.ValueRange, field.Value, at, at+len(claim.Name)), fmt.Sprintf("the metadata says that the image is %q, but service \"app\" has %q, and no other has it either; expected the app's image", claim.Name, shorten(app.Text())),
		lint.WithRelated(firstLine(app), "the image of the service app"))
}

// repository is an image reference without its tag and digest.
func repository(reference string) string {
	reference, _, _ = strings.Cut(reference, "@")
	if colon := strings.LastIndexByte(reference, ':'); colon > strings.LastIndexByte(reference, '/') {
		return reference[:colon]
	}
	return reference
}
