package rules

import (
	"fmt"
	"net/netip"

	"github.com/galley-coop/galley/lint"
)

var s259 = lint.Rule{
	ID: "S259", Name: "subnet",
	Summary:  "subnets of networks are address ranges",
	Severity: lint.Error,
	Check:    checkSubnets,
}

func checkSubnets(p *lint.Pass) {
	for _, d := range p.Recipe.Documents() {
		for name, network := range d.Lookup("networks").Pairs() {
			for _, config := range network.Get("ipam", "config").Items() {
				subnet := config.Get("subnet")
				if !subnet.IsScalar() || subnet.Text() == "" || variable(subnet) {
					continue
				}
				if _, err := netip.ParsePrefix(subnet.Text()); err != nil {
					p.Report(subnet.Range(), fmt.Sprintf("%q of network %q is no subnet; expected an address range such as 10.20.0.0/24", shorten(subnet.Text()), shorten(name)))
				}
			}
		}
	}
}
