package rules

import (
	"fmt"
	"strconv"

	"github.com/galley-coop/galley/lint"
)

var s248 = lint.Rule{
	ID: "S248", Name: "decimal-file-mode",
	Summary:  "modes of configs and secrets are octal",
	Severity: lint.Error,
	Check:    checkFileModes,
}

// likelyModes are decimal numbers that only make sense as octal digits.
var likelyModes = map[string]bool{
	"400": true, "440": true, "444": true, "500": true, "550": true, "555": true, "600": true, "640": true, "644": true,
	"660": true, "664": true, "666": true, "700": true, "744": true, "750": true, "755": true, "770": true, "775": true, "777": true,
}

func checkFileModes(p *lint.Pass) {
	seen := once{}
	for _, service := range p.Services() {
		for _, kind := range []string{"configs", "secrets"} {
			for _, f := range mountedFiles(service.Node, kind) {
				text := f.mode.Text()
				if !likelyModes[text] || f.mode.Quoted() || !seen.first(f.mode.Range()) {
					continue
				}
				decimal, _ := strconv.Atoi(text)
				p.Report(f.mode.Range(), fmt.Sprintf("mode %s is decimal, octal %#o; expected 0%s", text, decimal, text),
					replaceFix(f.mode.Range(), "0"+text, "write the mode in octal", false))
			}
		}
	}
}
