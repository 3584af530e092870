package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
)

var s265 = lint.Rule{
	ID: "S265", Name: "one-letter-volume",
	Summary:  "volumes have names of more than one letter",
	Severity: lint.Error,
	Check:    checkOneLetterVolumes,
}

func checkOneLetterVolumes(p *lint.Pass) {
	seen := once{}
	for _, service := range p.Services() {
		for _, m := range mounts(service.Node) {
			if m.long || !drive(m.source.text) || !seen.first(m.sourceRange()) {
				continue
			}
			p.Report(m.sourceRange(), fmt.Sprintf("docker takes the volume's name %q for a drive letter, and %q for the place to mount at; expected a longer name",
				m.source.text, shorten(m.source.text+":"+m.target.text)))
		}
	}
}
