package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s268 = lint.Rule{
	ID: "S268", Name: "port-lost-in-merge",
	Summary:  "no two ports of a service that overlays change are published by one number",
	Severity: lint.Warning,
	Check:    checkLostPorts,
}

// checkLostPorts knows how docker stack deploy merges a service of two files:
// it keeps ports apart by their published number alone, whatever their protocol.
func checkLostPorts(p *lint.Pass) {
	v := recipeValues(p.Recipe)
	seen := once{}
	for _, documents := range merges(p.Recipe) {
		for _, name := range serviceNames(documents) {
			var holders []*recipe.Document
			for _, d := range documents {
				if d.Lookup("services", name).Exists() {
					holders = append(holders, d)
				}
			}
			if len(holders) < 2 {
				continue
			}
			var ports []publishing
			for _, d := range holders {
				ports = append(ports, publishedPorts(name, d.Lookup("services", name), v)...)
			}
			reportLostPorts(p, seen, ports, holders[len(holders)-1].Lookup("services", name))
		}
	}
}

func reportLostPorts(p *lint.Pass, seen once, ports []publishing, merged recipe.Node) {
	last := map[int]publishing{}
	for _, one := range ports {
		last[one.port] = one
	}
	for _, one := range ports {
		if kept := last[one.port]; kept.protocol != one.protocol && seen.first(one.at) {
			p.Report(one.at, fmt.Sprintf("docker stack deploy loses port %d/%s where it merges service %q with %q, and keeps %d/%s; expected another number for one of them",
				one.port, one.protocol, one.service, merged.Document().Text.Path, kept.port, kept.protocol), lint.WithRelated(merged.KeyRange(), "merged with this"))
		}
	}
}
