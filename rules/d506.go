package rules

import (
	"fmt"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var d506 = lint.Rule{
	ID: "D506", Name: "label-quotes",
	Summary: "of a list of labels, all are quoted or none",
	Off:     true,
	Check:   checkLabelQuotes,
}

func checkLabelQuotes(p *lint.Pass) {
	eachStyled(p, func(d *recipe.Document) {
		var slips []slip
		seen := once{}
		for _, service := range d.Lookup("services").Pairs() {
			for _, labels := range []recipe.Node{service.Get("labels"), service.Get("deploy", "labels")} {
				if labels.IsList() && seen.first(labels.Range()) {
					slips = append(slips, unquotedLabels(labels)...)
				}
			}
		}
		reportSlips(p, d, slips, false)
	})
}

// unquotedLabels are the plain items of a list that has quoted ones too.
func unquotedLabels(labels recipe.Node) (slips []slip) {
	quoted := false
	for _, item := range labels.Items() {
		if item.Quoted() {
			quoted = true
			continue
		}
		if !item.IsString() || !asWritten(item, item.Text()) {
			continue
		}
		s := slip{
			at:      item.Range(),
			message: fmt.Sprintf("label %s is not in quotes, as others of the list are; expected quotes around all of them", shorten(item.Text())),
			fix:     "put the label in quotes",
		}
		switch text := item.Text(); {
		case quotable(text):
			s.edits = []lint.Edit{replaced(s.at, `"`+text+`"`)}
		case singleQuotable(text):
			s.edits = []lint.Edit{replaced(s.at, "'"+text+"'")}
		}
		slips = append(slips, s)
	}
	if !quoted {
		return nil
	}
	return slips
}
