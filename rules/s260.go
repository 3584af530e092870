package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
)

var s260 = lint.Rule{
	ID: "S260", Name: "static-address",
	Summary:  "services have no addresses of their own choice",
	Severity: lint.Warning,
	Check:    checkAddresses,
}

func checkAddresses(p *lint.Pass) {
	seen := once{}
	for _, service := range p.Services() {
		for _, attachment := range service.Node.Get("networks").Pairs() {
			for _, key := range []string{"ipv4_address", "ipv6_address"} {
				n := attachment.Get(key)
				if n.IsScalar() && n.Text() != "" && seen.first(n.KeyRange()) {
					p.Report(n.KeyRange(), fmt.Sprintf("docker stack deploy ignores %s of service %q without a word; expected its name to be used", key, service.Name))
				}
			}
		}
	}
}
