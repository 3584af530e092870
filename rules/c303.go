package rules

import "github.com/galley-coop/galley/lint"

var c303 = lint.Rule{
	ID: "C303", Name: "privileged",
	Summary:  "no service is privileged",
	Severity: lint.Error,
	Check:    checkPrivileged,
}

func checkPrivileged(p *lint.Pass) {
	said := places{}
	for _, service := range p.Services() {
		value := service.Node.Get("privileged")
		if value.IsScalar() && truthy(fallback(value.Text())) && !said.again(value.Range()) {
			p.Reportf(value.Range(), "privileged: %s gives service %q every device and capability of the host, and a swarm ignores it; expected cap_add with what it needs",
				shorten(value.Text()), service.Name)
		}
	}
}
