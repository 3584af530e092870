package rules

import (
	"strings"

	"github.com/galley-coop/galley/lint"
)

var c317 = lint.Rule{
	ID: "C317", Name: "root-user",
	Summary:  "no service is told to run as root",
	Severity: lint.Info,
	Check:    checkRootUser,
}

func checkRootUser(p *lint.Pass) {
	said := places{}
	for _, service := range p.Services() {
		user := service.Node.Get("user")
		name, _, _ := strings.Cut(fallback(user.Text()), ":")
		if user.IsScalar() && (name == "root" || name == "0" && !variable(user)) && !said.again(user.Range()) {
			p.Reportf(user.Range(), "user: %s makes service %q run as root, whatever its image says; expected the image's own user", shorten(user.Text()), service.Name)
		}
	}
}
