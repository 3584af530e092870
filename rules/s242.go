package rules

import (
	"fmt"
	"slices"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s242 = lint.Rule{
	ID: "S242", Name: "duplicate-port",
	Summary:  "no port is published twice in one stack",
	Severity: lint.Error,
	Check:    checkDuplicatePorts,
}

// publishing is one published port of a service.
type publishing struct {
	publishedAt
	service string
	host    bool
	at      recipe.Range
}

// publishedAt is what only one service of a swarm may have.
type publishedAt struct {
	port     int
	protocol string
}

// checkDuplicatePorts looks at each merge that a deploy may make. A port in an
// overlay takes the place of the same one in the base, as docker stack deploy
// has it, whatever form the two are written in.
func checkDuplicatePorts(p *lint.Pass) {
	v := recipeValues(p.Recipe)
	seen := once{}
	for _, documents := range merges(p.Recipe) {
		first := map[publishedAt]publishing{}
		for _, name := range serviceNames(documents) {
			for _, one := range mergedPorts(documents, name, v) {
				other, taken := first[one.publishedAt]
				if !taken {
					first[one.publishedAt] = one
					continue
				}
				// Host ports of two services only meet on one node.
				if one.host && other.host && one.service != other.service || !seen.first(one.at) {
					continue
				}
				p.Report(one.at, fmt.Sprintf("port %d/%s of service %q is published by service %q already; swarm refuses the second",
					one.port, one.protocol, one.service, other.service), lint.WithRelated(other.at, "published here"))
			}
		}
	}
}

func mergedPorts(documents []*recipe.Document, service string, v values) []publishing {
	var merged []publishing
	for _, d := range documents {
		node := d.Lookup("services", service)
		if node.Get("profiles").Exists() || node.Get("network_mode").Text() == "host" {
			return nil
		}
		own := publishedPorts(service, node, v)
		if len(merged) > 0 {
			replaced := make(map[publishedAt]bool, len(own))
			for _, one := range own {
				replaced[one.publishedAt] = true
			}
			merged = slices.DeleteFunc(merged, func(one publishing) bool { return replaced[one.publishedAt] })
		}
		merged = append(merged, own...)
	}
	return merged
}

// publishedPorts lists what one file publishes for a service, as far as there
// are ports for it. Those whose number only the operator knows are left out.
func publishedPorts(service string, node recipe.Node, v values) []publishing {
	var found []publishing
	for _, n := range node.Get("ports").Items() {
		if len(found) >= maxPorts {
			break
		}
		if n.IsMap() {
			reading := v.expand(n.Get("published").Text())
			number, ok := readPort(reading.text)
			if !ok || reading.guessed() {
				continue
			}
			protocol := n.Get("protocol").Text()
			if protocol == "" {
				protocol = "tcp"
			}
			found = append(found, publishing{publishedAt{number, protocol}, service, n.Get("mode").Text() == "host", n.Get("published").Range()})
			continue
		}
		reading := v.expand(n.Text())
		spec, ok := readPorts(reading.text)
		if !ok || reading.guessed() || spec.published.text == "" || spec.targets.len() != spec.publishes.len() {
			continue
		}
		from, to, _ := reading.source(spec.published.from, spec.published.to)
		at := n.Sub(from, to)
		for number := spec.publishes.first; number <= spec.publishes.last; number++ {
			found = append(found, publishing{publishedAt{number, spec.protocol}, service, false, at})
		}
	}
	return found
}
