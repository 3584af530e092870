package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

// checkLists looks at one list of every service of a file, and reports those that
// are not in order. read gives the items' texts and how to compare them, nil for
// a list that it cannot order.
func checkLists(p *lint.Pass, d *recipe.Document, key, expected string, read func(items []recipe.Node) (texts []string, compare func(a, b int) int)) {
	var slips []slip
	seen := once{}
	for _, service := range d.Lookup("services").Pairs() {
		list := service.Get(key)
		if !list.IsList() || !seen.first(list.Range()) {
			continue
		}
		items, ok := lineItems(list)
		if !ok {
			continue
		}
		texts, compare := read(items)
		if compare == nil {
			continue
		}
		if s, ok := misorderedItems(items, texts, compare, expected); ok {
			slips = append(slips, s)
		}
	}
	reportSlips(p, d, slips, false)
}

func misorderedItems(items []recipe.Node, texts []string, compare func(a, b int) int, expected string) (slip, bool) {
	order := make([]int, len(items))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, compare)
	if slices.IsSorted(order) {
		return slip{}, false
	}
	place := 1
	for compare(place-1, place) <= 0 {
		place++
	}
	above := 0
	for compare(above, place) <= 0 {
		above++
	}
	s := slip{
		at:      items[place].Sub(0, len(texts[place])),
		message: fmt.Sprintf("%q stands below %q; expected %s", shorten(texts[place]), shorten(texts[above]), expected),
		fix:     "sort the list",
	}
	t := items[0].Document().Text
	for i, from := range order {
		if i != from {
			s.edits = append(s.edits, replaced(items[i].Range(), t.Slice(items[from].Range())))
		}
	}
	return s, true
}

// lineItems are the items of a list in block style, each a value on a line of its
// own, one below the other, without comments.
func lineItems(list recipe.Node) (items []recipe.Node, ok bool) {
	t := list.Document().Text
	for _, item := range list.Items() {
		r := item.Range()
		line := t.Line(r.Start.Line)
		if !item.IsScalar() || r.Start.Line != r.End.Line || len(items) > 0 && r.Start.Line != items[len(items)-1].Range().Start.Line+1 {
			return nil, false
		}
		if rest := strings.TrimLeft(line, " "); !strings.HasPrefix(rest, "- ") || strings.Trim(rest[2:], " \t") != t.Slice(r) {
			return nil, false
		}
		items = append(items, item)
	}
	return items, len(items) > 1
}

// singleQuotable tells whether a text may stand between single quotes as it is.
func singleQuotable(text string) bool { return !strings.ContainsAny(text, "'\t\n\r") }
