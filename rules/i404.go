package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
)

var i404 = lint.Rule{
	ID: "I404", Name: "implicit-registry",
	Summary:  "images name the registry that they come from",
	Severity: lint.Info,
	Off:      true,
	Check:    checkImplicitRegistry,
}

func checkImplicitRegistry(p *lint.Pass) {
	eachImage(p, func(i image) bool {
		ref, ok := i.reference()
		if !ok || ref.Domain != "docker.io" || strings.HasPrefix(i.reading.text, "docker.io/") || strings.HasPrefix(i.reading.text, "index.docker.io/") {
			return false
		}
		from, to := i.nameParts()
		i.report(p, from, to, fmt.Sprintf("image %q of service %q names no registry; expected %s", shorten(i.name()), i.service, ref.Name()),
			i.fix(from, to, ref.Name(), "name the registry", true)...)
		return true
	})
}
