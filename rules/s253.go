package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s253 = lint.Rule{
	ID: "S253", Name: "unescaped-hash",
	Summary:  "password hashes have their dollar signs doubled",
	Severity: lint.Error,
	Check:    checkUnescapedHash,
}

// checkUnescapedHash quotes only how the hash starts: messages travel further
// than files.
func checkUnescapedHash(p *lint.Pass) {
	eachDollar(p, hashDollar, func(n recipe.Node, d dollar, at recipe.Range) {
		hash := n.Text()[d.from:d.to]
		start := hash[:strings.IndexByte(hash[1:], '$')+2]
		message := fmt.Sprintf("the dollar signs of the hash that starts with %q are taken for variables; expected each of them doubled", start)
		if n.Document().Text.Slice(at) != hash {
			p.Report(at, message)
			return
		}
		fix := lint.Fix{Message: "double the hash's dollar signs"}
		for i := range len(hash) {
			if hash[i] == '$' {
				r := within(at, hash, i, i+1)
				fix.Edits = append(fix.Edits, lint.Edit{File: r.File, Start: r.Start, End: r.End, Text: "$$"})
			}
		}
		p.Report(within(at, hash, 0, len(start)), message, lint.WithFix(fix))
	})
}
