package rules

import (
	"strings"

	"github.com/galley-coop/galley/lint"
)

var i406 = lint.Rule{
	ID: "I406", Name: "local-registry",
	Summary:  "images come from a registry that others reach",
	Severity: lint.Info,
	Check:    checkLocalRegistry,
}

func checkLocalRegistry(p *lint.Pass) {
	eachImage(p, func(i image) bool {
		ref, ok := i.reference()
		if !ok {
			return false
		}
		host, _, _ := strings.Cut(ref.Domain, ":")
		if host != "localhost" && !strings.HasPrefix(host, "127.") && host != "host.docker.internal" && !strings.HasPrefix(ref.Domain, "[::1]") {
			return false
		}
		i.reportName(p, "image %q of service %q comes from %s, a registry that only the writer of this has; expected one that every deploy reaches", shorten(i.name()), i.service, host)
		return true
	})
}
