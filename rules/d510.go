package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var d510 = lint.Rule{
	ID: "D510", Name: "final-newline",
	Summary: "files end with one line end",
	Off:     true,
	Check:   checkFinalNewline,
}

func checkFinalNewline(p *lint.Pass) {
	eachStyled(p, func(d *recipe.Document) {
		t := d.Text
		last := t.Lines()
		for last > 0 && blank(t.Line(last)) {
			last--
		}
		end := t.Position(len(t.Bytes))
		word, at := edgeWord(t, last, true)
		if word == "" || end.Line == last+1 && end.Column == 1 {
			return
		}
		s := slip{at: at, message: fmt.Sprintf("the file ends without a line end behind %s; expected one", word), fix: "end the file with one line end"}
		if end.Line > last {
			s.message = fmt.Sprintf("the file goes on with blank lines below %s; expected one line end", word)
		}
		s.edits = []lint.Edit{{File: t.Path, Start: t.LineRange(last).End, End: end, Text: "\n"}}
		reportSlips(p, d, []slip{s}, true)
	})
}
