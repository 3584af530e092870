package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

var s247 = lint.Rule{
	ID: "S247", Name: "boolean-word",
	Summary:  "yes, no, on and off that are meant as text are in quotes",
	Severity: lint.Info,
	Check:    checkBooleanWords,
}

// booleanWords are booleans to YAML 1.1 and text to YAML 1.2.
var booleanWords = map[string]bool{"yes": true, "no": false, "on": true, "off": false}

func checkBooleanWords(p *lint.Pass) {
	eachText(p, func(_ string, n recipe.Node) {
		means, ok := booleanWords[strings.ToLower(n.Text())]
		if !ok || !n.IsString() {
			return
		}
		p.Report(n.Range(), fmt.Sprintf("%s without quotes is text to docker, and %t to YAML 1.1; expected quotes", n.Text(), means), quoteFix(n, true))
	})
}
