package rules

import (
	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/registry"
)

var i410 = lint.Rule{
	ID: "I410", Name: "image-missing",
	Summary:  "every image is there to be pulled",
	Severity: lint.Error,
	Check:    checkImageMissing,
}

func checkImageMissing(p *lint.Pass) {
	eachAnswer(p, func(i image, ref registry.Reference, facts *lint.ImageFacts) bool {
		if facts != nil {
			return false
		}
		p.Reportf(i.place(), "image %q of service %q is not in the registry; expected one that can be pulled", i.written(), i.service)
		return true
	})
}
