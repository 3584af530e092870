package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var d511 = lint.Rule{
	ID: "D511", Name: "blank-lines",
	Summary: "there is one blank line at most between others",
	Off:     true,
	Check:   checkBlankLines,
}

func checkBlankLines(p *lint.Pass) {
	eachStyled(p, func(d *recipe.Document) {
		var slips []slip
		t, inText, run := d.Text, multiline(d), 0
		for n := 1; n <= t.Lines(); n++ {
			if blank(t.Line(n)) && !inText[n] {
				run++
				continue
			}
			if run > 1 {
				word, at := edgeWord(t, n, false)
				surplus := recipe.Range{File: t.Path, Start: t.LineRange(n - run + 1).Start, End: t.LineRange(n).Start}
				slips = append(slips, slip{
					at: at, message: fmt.Sprintf("%d blank lines above %s; expected one at most", run, word),
					fix: "leave one blank line", edits: []lint.Edit{replaced(surplus, "")},
				})
			}
			run = 0
		}
		reportSlips(p, d, slips, true)
	})
}
