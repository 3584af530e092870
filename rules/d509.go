package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var d509 = lint.Rule{
	ID: "D509", Name: "trailing-blanks",
	Summary: "no line ends with blanks",
	Off:     true,
	Check:   checkTrailingBlanks,
}

// checkTrailingBlanks leaves alone what is text: scalars of several lines. Lines of
// blanks below one line are one finding, at the text above them.
func checkTrailingBlanks(p *lint.Pass) {
	eachStyled(p, func(d *recipe.Document) {
		var slips []slip
		t, inText, above, empty := d.Text, multiline(d), 0, -1
		for n := 1; n <= t.Lines(); n++ {
			line := t.Line(n)
			kept := strings.TrimRight(line, " \t")
			if kept != "" {
				above, empty = n, -1
			}
			if kept == line || inText[n] || above == 0 {
				continue
			}
			edit := replaced(within(t.LineRange(n), line, len(kept), len(line)), "")
			if empty >= 0 {
				slips[empty].edits = append(slips[empty].edits, edit)
				continue
			}
			word, at := edgeWord(t, above, true)
			message := fmt.Sprintf("the line ends with blanks behind %s; expected none", word)
			if above < n {
				message = fmt.Sprintf("lines of blanks below %s; expected empty ones", word)
				empty = len(slips)
			}
			slips = append(slips, slip{at: at, message: message, fix: "take the blanks away", edits: []lint.Edit{edit}})
		}
		reportSlips(p, d, slips, true)
	})
}
