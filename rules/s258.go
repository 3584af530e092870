package rules

import (
	"fmt"
	"slices"

	"github.com/galley-coop/galley/lint"
)

var s258 = lint.Rule{
	ID: "S258", Name: "network-driver",
	Summary:  "networks of a stack span the swarm",
	Severity: lint.Error,
	Check:    checkNetworkDriver,
}

// localDrivers make networks of one host, which swarm refuses for services.
var localDrivers = []string{"bridge", "macvlan", "ipvlan", "host", "null", "none", "default", "nat", "transparent", "l2bridge"}

func checkNetworkDriver(p *lint.Pass) {
	for _, d := range p.Recipe.Documents() {
		for name, network := range d.Lookup("networks").Pairs() {
			driver := network.Get("driver")
			if !slices.Contains(localDrivers, driver.Text()) || network.Get("external").Exists() {
				continue
			}
			p.Report(driver.Range(), fmt.Sprintf("driver %s of network %q makes a network of one host, which swarm refuses for services; expected overlay", driver.Text(), shorten(name)),
				replaceFix(driver.Range(), "overlay", "make it an overlay network", false))
		}
	}
}
