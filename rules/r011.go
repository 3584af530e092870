package rules

import (
	"slices"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var r011 = lint.Rule{
	ID: "R011", Name: "service-image",
	Summary:  "every service has an image once overlays are merged",
	Severity: lint.Error,
	Check:    checkServiceImage,
}

func checkServiceImage(p *lint.Pass) {
	for _, service := range p.Services() {
		if service.Node.IsScalar() && !service.Node.IsNull() || service.Node.IsList() {
			continue // no service at all: the schema's finding
		}
		if hasImage(service.Node) || service.Node.Get("extends").Exists() || imageElsewhere(p, service) {
			continue
		}
		at, built := service.Node.KeyRange(), ""
		if image := service.Node.Get("image"); image.Exists() {
			at = image.KeyRange()
		}
		if service.Node.Get("build").Exists() {
			built = ": swarm does not build"
		}
		if service.Overlay && p.Recipe.Base != nil {
			p.Reportf(at, "service %q has no image, here or in %s%s; expected image: name:tag", service.Name, p.Recipe.Base.Text.Path, built)
			continue
		}
		p.Reportf(at, "service %q has no image%s; expected image: name:tag", service.Name, built)
	}
}

func hasImage(service recipe.Node) bool { return service.Get("image").Text() != "" }

// imageElsewhere tells whether a file that is merged with the service's gives it
// an image. An overlay may be meant to go with the base or with any other
// overlay; the base stands alone, or with the overlays that the sample lists.
func imageElsewhere(p *lint.Pass, service lint.Service) bool {
	var listed []string
	if p.Recipe.Sample != nil {
		listed = p.Recipe.Sample.ComposeFiles()
	}
	for _, d := range p.Recipe.Documents() {
		merged := service.Overlay || slices.Contains(listed, d.Text.Path)
		if merged && hasImage(d.Lookup("services", service.Name)) {
			return true
		}
	}
	return false
}
