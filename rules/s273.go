package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s273 = lint.Rule{
	ID: "S273", Name: "quotes-in-value",
	Summary:  "values of variables and labels in list form have no quotes of their own",
	Severity: lint.Warning,
	Check:    checkQuotesInValues,
}

func checkQuotesInValues(p *lint.Pass) {
	eachAssigned(p, func(_ lint.Service, key string, n recipe.Node) {
		if !n.IsList() {
			return
		}
		for _, label := range recipe.Labels(n) {
			value := label.Value
			if len(value) < 2 || value[0] != '"' && value[0] != '\'' || value[len(value)-1] != value[0] {
				continue
			}
			inner := value[1 : len(value)-1]
			if strings.IndexByte(inner, value[0]) >= 0 {
				continue
			}
			start := len(label.Node.Text()) - len(value)
			p.Report(label.Node.Sub(start, start+1), fmt.Sprintf("the quotes %c around the value of %s in %s become part of it; expected none, or quotes around the whole item",
				value[0], shorten(label.Name), key), unquote(label.Node, start, len(value)))
		}
	})
}

// unquote drops the first and the last character of a value. There is no fix
// where the quotes keep YAML from reading more into the rest of a plain scalar.
func unquote(n recipe.Node, start, length int) lint.Option {
	inner := n.Text()[start+1 : start+length-1]
	if !n.Quoted() && (strings.HasSuffix(inner, ":") || strings.Contains(inner, ": ") || strings.Contains(inner, " #")) {
		return func(*lint.Finding) {}
	}
	fix := lint.Fix{Message: "leave the quotes out"}
	for _, i := range []int{start, start + length - 1} {
		at := n.Sub(i, i+1)
		fix.Edits = append(fix.Edits, lint.Edit{File: at.File, Start: at.Start, End: at.End})
	}
	return lint.WithFix(fix)
}
