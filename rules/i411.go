package rules

import (
	"slices"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/registry"
)

var i411 = lint.Rule{
	ID: "I411", Name: "platform-missing",
	Summary:  "every image is there for the platforms that the project names",
	Severity: lint.Error,
	Check:    checkPlatformMissing,
}

// checkPlatformMissing is silent without a list of platforms.
func checkPlatformMissing(p *lint.Pass) {
	if len(p.Settings.Platforms) == 0 {
		return
	}
	eachAnswer(p, func(i image, ref registry.Reference, facts *lint.ImageFacts) bool {
		if facts == nil || len(facts.Platforms) == 0 {
			return false // I410's, or a registry that does not say
		}
		var lacking []string
		for _, wanted := range p.Settings.Platforms {
			if !slices.ContainsFunc(facts.Platforms, func(have string) bool { return samePlatform(have, wanted) }) {
				lacking = append(lacking, wanted)
			}
		}
		if len(lacking) == 0 {
			return false
		}
		p.Reportf(i.place(), "image %q of service %q is there for %s, and not for %s; expected every platform of the project",
			i.written(), i.service, strings.Join(facts.Platforms, ", "), either(lacking))
		return true
	})
}

// samePlatform tells whether an image for have runs where wanted is asked for.
func samePlatform(have, wanted string) bool {
	h, err := registry.ParsePlatform(have)
	if err != nil {
		return have == wanted
	}
	w, err := registry.ParsePlatform(wanted)
	return err == nil && h.Matches(w)
}
