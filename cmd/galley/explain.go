package main

import (
	"strings"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/rules"
)

type explainCmd struct {
	Rule string `arg:"" optional:"" help:"A rule's ID or name. Without one, all rules are listed."`
	All  bool   `help:"Print every rule's page."`
}

func (explainCmd) Help() string {
	return "Examples:\n  galley explain           the list of rules\n  galley explain R004      one rule's page\n  galley explain unstable-tag\n  galley explain --all     every page, Markdown"
}

// Run prints one rule's page, all pages, or the list.
func (c *explainCmd) Run(s *streams) error {
	switch {
	case c.All && c.Rule == "":
		return explainAll(s)
	case c.Rule == "":
		return listRules(s)
	}
	rule, ok := rules.Lookup(c.Rule)
	if !ok {
		var known []string
		for _, r := range rules.All() {
			known = append(known, r.Name)
		}
		err := fault.New(fault.Usage, "there is no rule %q", c.Rule)
		if near := fault.Near(strings.ToLower(c.Rule), known); len(near) > 0 {
			return fault.Hint(err, "did you mean %s?", strings.Join(near, ", "))
		}
		return fault.Hint(err, "galley explain lists them all")
	}
	page, _ := rules.Page(rule.ID)
	if s.json {
		return s.printJSON(newRuleItem(rule, page))
	}
	s.printf("%s\n", strings.TrimRight(page, "\n"))
	return nil
}

// ruleItem is one rule in a JSON answer.
type ruleItem struct {
	ID         string        `json:"id"`
	Name       string        `json:"name"`
	Severity   lint.Severity `json:"severity"`
	Summary    string        `json:"summary"`
	RecipeOnly bool          `json:"recipe_only"`
	Off        bool          `json:"off"`
	Page       string        `json:"page,omitempty"`
}

func newRuleItem(r lint.Rule, page string) ruleItem {
	return ruleItem{r.ID, r.Name, r.Severity, r.Summary, r.RecipeOnly, r.Off, page}
}

func explainAll(s *streams) error {
	var items []ruleItem
	for _, r := range rules.All() {
		page, _ := rules.Page(r.ID)
		items = append(items, newRuleItem(r, page))
		if !s.json {
			s.printf("%s\n\n", strings.TrimRight(page, "\n"))
		}
	}
	if s.json {
		return s.printJSON(map[string]any{"rules": items})
	}
	return nil
}

func listRules(s *streams) error {
	var items []ruleItem
	var rows [][]string
	for _, r := range rules.All() {
		items = append(items, newRuleItem(r, ""))
		state := r.Severity.String()
		if r.Off {
			state = "off (" + state + ")"
		}
		rows = append(rows, []string{r.ID, r.Name, state, r.Summary})
	}
	if s.json {
		return s.printJSON(map[string]any{"rules": items})
	}
	return s.table([]string{"ID", "NAME", "SEVERITY", "SUMMARY"}, rows)
}
