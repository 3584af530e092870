package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s267 = lint.Rule{
	ID: "S267", Name: "port-number",
	Summary:  "ports are numbers from 1 to 65535, and ranges match",
	Severity: lint.Error,
	Check:    checkPortNumbers,
}

// checkPortNumbers leaves variables that are none to S250.
func checkPortNumbers(p *lint.Pass) {
	v := recipeValues(p.Recipe)
	seen := once{}
	for _, service := range p.Services() {
		for _, n := range service.Node.Get("ports").Items() {
			if !seen.first(n.Range()) {
				continue
			}
			if n.IsMap() {
				checkPortKeys(p, n, v)
				continue
			}
			reading := v.expand(n.Text())
			if reading.text == "" || reading.guessed() || strings.IndexByte(reading.text, '$') >= 0 {
				continue
			}
			spec, ok := readPorts(reading.text)
			if ok {
				continue
			}
			from, to, _ := reading.source(spec.place.from, spec.place.to)
			if spec.place.text == "" || spec.place.from == spec.place.to {
				from, to = 0, len(n.Text())
			}
			p.Report(n.Sub(from, to), fmt.Sprintf("%q %s", shorten(spec.place.text), spec.trouble))
		}
	}
}

// checkPortKeys reads the long form. An empty published port is swarm's choice.
func checkPortKeys(p *lint.Pass, n recipe.Node, v values) {
	for _, key := range []string{"target", "published"} {
		port := n.Get(key)
		reading := v.expand(port.Text())
		if !port.IsScalar() || reading.text == "" || reading.guessed() || strings.IndexByte(reading.text, '$') >= 0 {
			continue
		}
		if _, ok := portRange(reading.text); !ok && !(key == "published" && reading.text == "0") {
			p.Report(port.Range(), fmt.Sprintf("%q is no port; expected a number from 1 to 65535", shorten(reading.text)))
		}
	}
}
