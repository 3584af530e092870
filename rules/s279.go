package rules

import (
	"bytes"
	"fmt"

	"github.com/galley-coop/galley/lint"
)

var s279 = lint.Rule{
	ID: "S279", Name: "unused-anchor",
	Summary:  "anchors that are defined are used",
	Severity: lint.Info,
	Check:    checkAnchors,
}

func checkAnchors(p *lint.Pass) {
	for _, document := range p.Recipe.Documents() {
		if bytes.IndexByte(document.Text.Bytes, '&') < 0 {
			continue
		}
		for _, anchor := range document.UnusedAnchors() {
			p.Report(anchor.Range, fmt.Sprintf("no alias uses the anchor &%s", anchor.Name))
		}
	}
}
