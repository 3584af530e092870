package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s271 = lint.Rule{
	ID: "S271", Name: "duplicate-assignment",
	Summary:  "variables and labels are set once in a list",
	Severity: lint.Warning,
	Check:    checkDuplicateAssignments,
}

// checkDuplicateAssignments leaves keys of a mapping to S201 and equal items to
// S202.
func checkDuplicateAssignments(p *lint.Pass) {
	eachAssigned(p, func(_ lint.Service, key string, n recipe.Node) {
		if !n.IsList() {
			return
		}
		first := map[string]recipe.Label{}
		for _, label := range recipe.Labels(n) {
			other, taken := first[label.Name]
			if !taken {
				first[label.Name] = label
				continue
			}
			if label.Name == "" || label.Node.Text() == other.Node.Text() {
				continue
			}
			p.Report(label.NameRange, fmt.Sprintf("%s is set twice in %s, and only this value counts; expected it once", shorten(label.Name), key),
				lint.WithRelated(other.NameRange, "first set here"))
		}
	})
}
