// Package rules holds galley's lint rules: one file and one page for each, and
// the list of them all. R001 to R016 are the rules that recipe maintainers have
// known for years, S2xx are about compose files and what a swarm takes of them.
//
// A rule looks and reports. It refuses to fetch, to run or to change anything;
// what is beyond the recipe's own files it asks of the Pass's World, and says
// that it skipped where there is none.
package rules

import (
	"embed"
	"slices"
	"strings"

	"github.com/galley-coop/galley/lint"
)

//go:embed *.md
var pages embed.FS

// All lists every rule, sorted by ID. The slice is the caller's own.
func All() []lint.Rule {
	rules := []lint.Rule{
		r001, r002, r003, r004, r005, r006, r007, r008,
		r009, r010, r011, r012, r013, r014, r015, r016,
		s201, s202, s203,
	}
	// One line for each family, in a file of its own.
	rules = append(rules, shapeRules()...)
	rules = append(rules, versionRules()...)
	rules = append(rules, environmentRules()...)
	rules = append(rules, ignoreRules()...)
	rules = append(rules, deployRules()...)
	rules = append(rules, securityRules()...)
	rules = append(rules, imageRules()...)
	rules = append(rules, styleRules()...)
	slices.SortFunc(rules, func(a, b lint.Rule) int { return strings.Compare(a.ID, b.ID) })
	return rules
}

// Page is the page of the rule with that ID, Markdown: why it is, a bad and a
// good example, how to fix it, and where it was seen.
func Page(id string) (string, bool) {
	data, err := pages.ReadFile(strings.ToUpper(id) + ".md")
	return string(data), err == nil
}

// Lookup finds a rule by its ID or its name, in any case.
func Lookup(idOrName string) (lint.Rule, bool) {
	for _, rule := range All() {
		if strings.EqualFold(rule.ID, idOrName) || strings.EqualFold(rule.Name, idOrName) {
			return rule, true
		}
	}
	return lint.Rule{}, false
}
