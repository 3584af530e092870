package rules

import (
	"fmt"
	"strings"

	"github.com/galley-coop/galley/lint"
)

var s216 = lint.Rule{
	ID: "S216", Name: "traefik-rule-syntax",
	Summary:  "traefik rules are written so that traefik can read them",
	Severity: lint.Error,
	Check:    checkTraefikRuleSyntax,
}

func checkTraefikRuleSyntax(p *lint.Pass) {
	eachDeployService(p, "traefik.", func(f *deployFinder, s deployService) {
		for _, o := range s.traefik().options {
			if o.kind != "routers" || o.field != "rule" || o.protocol == "udp" {
				continue
			}
			wrong, ok := readTraefikRule(o.label.value)
			if !ok {
				continue
			}
			message := fmt.Sprintf("rule of router %q, service %q: %s", o.name, s.name, wrong.text)
			at := o.label.valuePlace(wrong.from, wrong.to)
			if at.Start == at.End {
				at = o.label.at()
			}
			f.report(at, message, backticks(o.label, wrong)...)
		}
	})
}

// backticks puts a value between backticks. That changes what the router does,
// which is nothing before.
func backticks(l deployLabel, wrong ruleError) []lint.Option {
	if !wrong.quote {
		return nil
	}
	at := l.valuePlace(wrong.from, wrong.to)
	value := l.value[wrong.from:wrong.to]
	if l.node.Document().Text.Slice(at) != value || strings.ContainsAny(value, "`\\") {
		return nil
	}
	if l.pair && !l.node.Quoted() && wrong.from == 0 {
		return nil // a plain scalar cannot start with a backtick
	}
	return []lint.Option{lint.WithFix(lint.Fix{
		Message: "put the value between backticks",
		Edits:   []lint.Edit{{File: at.File, Start: at.Start, End: at.End, Text: "`" + strings.Trim(value, "'") + "`"}},
	})}
}
