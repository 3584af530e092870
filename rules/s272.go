package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s272 = lint.Rule{
	ID: "S272", Name: "assignment-spaces",
	Summary:  "there are no spaces around the = of variables and labels",
	Severity: lint.Warning,
	Check:    checkAssignmentSpaces,
}

func checkAssignmentSpaces(p *lint.Pass) {
	eachAssigned(p, func(_ lint.Service, key string, n recipe.Node) {
		for _, item := range n.Items() {
			text := item.Text()
			name, value, found := strings.Cut(text, "=")
			if !found || name == "" || strings.IndexByte(name, '`') >= 0 {
				continue
			}
			bare := strings.TrimSpace(name)
			lead := len(value) - len(strings.TrimLeft(value, " \t"))
			if bare == name && (lead == 0 || lead == len(value)) || bare == "" {
				continue
			}
			from, to := len(strings.TrimRight(name, " \t")), len(name)+1+lead
			at := item.Sub(from, to)
			var options []lint.Option
			if bare == strings.TrimRight(name, " \t") {
				options = append(options, replaceFix(at, "=", "leave the spaces out", false))
			}
			if from == to-1 { // the spaces stand before the name
				at = item.Sub(0, len(name))
				options = nil
			}
			p.Report(at, fmt.Sprintf("%q in %s: the spaces beside = become part of the name or the value; expected none", shorten(bare), key), options...)
		}
	})
}
