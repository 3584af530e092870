package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/galley-coop/galley/catalogue"
)

// TestSearchFitsTheTerminal: a line is as wide as the terminal at most, unless
// next to nothing would be left of the description.
func TestSearchFitsTheTerminal(t *testing.T) {
	hits := []catalogue.Hit{
		{IndexItem: catalogue.IndexItem{Name: "web", Newest: "1.0.0+1", Category: "Apps", Description: strings.Repeat("Größe ", 40)}},
		{IndexItem: catalogue.IndexItem{Name: "a-longer-name", Category: "Apps", Description: "short"}},
	}
	for _, width := range []int{60, 80, 200, 20} {
		var out strings.Builder
		s := &streams{out: &out}
		if err := s.table([]string{"NAME", "NEWEST", "CATEGORY", "DESCRIPTION"}, searchRows(hits, width)); err != nil {
			t.Fatal(err)
		}
		longest := 0
		for line := range strings.Lines(out.String()) {
			longest = max(longest, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")))
		}
		if want := max(width, 50); longest > want || longest < width-1 {
			t.Errorf("width %d: the longest line has %d characters:\n%s", width, longest, out.String())
		}
		if !strings.Contains(out.String(), "short\n") || strings.Contains(out.String(), " …") {
			t.Errorf("width %d:\n%s", width, out.String())
		}
	}
	if rows := searchRows(hits, 0); rows[0][3] != strings.TrimSpace(hits[0].Description) || rows[1][1] != "withdrawn" {
		t.Errorf("without a terminal: %q", rows)
	}
}
