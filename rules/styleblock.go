package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

// styleBlock is one entry of a block mapping: its lines, with the comments that
// stand directly above it.
type styleBlock struct {
	key   string
	at    recipe.Range // the key
	first int          // line, of the comments above
	last  int          // line, without the blank ones behind
}

// ownKeys are the keys that a mapping in block style writes itself, in order,
// without a merge key. ok is false in flow style.
func ownKeys(n recipe.Node) (own []recipe.Node, ok bool) {
	t, start := n.Document().Text, n.Range().Start
	column, above := start.Column, start.Line-1
	for _, child := range n.Pairs() {
		at := child.KeyRange().Start
		line := t.Line(at.Line)
		if len(own) == n.Len() || at.Column != column || at.Line <= above {
			break // merged ones
		}
		above = at.Line
		if strings.Trim(line[:min(len(line), column-1)], " ") != "" {
			return nil, false
		}
		own = append(own, child)
	}
	return own, len(own) > 0 && n.Len()-len(own) <= 1
}

// styleBlocks cuts a mapping's lines into its entries. ok is false where comments
// or layout leave open which entry a line belongs to.
func styleBlocks(t *recipe.Text, keys []recipe.Node) (blocks []styleBlock, ok bool) {
	column := keys[0].KeyRange().Start.Column - 1
	for i, key := range keys {
		line := key.KeyRange().Start.Line
		b := styleBlock{key: key.Key(), at: key.KeyRange(), first: line, last: line}
		for b.first > 1 && isComment(t.Line(b.first-1)) && indent(t.Line(b.first-1)) == column {
			b.first--
		}
		end := t.Lines() + 1
		if i+1 < len(keys) {
			end = keys[i+1].KeyRange().Start.Line
		}
		if b.last, ok = bodyEnd(t, line, end, column); !ok {
			return nil, false
		}
		blocks = append(blocks, b)
	}
	for i := 1; i < len(blocks); i++ {
		for line := blocks[i-1].last + 1; line < blocks[i].first; line++ {
			if !blank(t.Line(line)) {
				return nil, false // a comment of its own
			}
		}
		for line := blocks[i].first; isComment(t.Line(line)); line++ {
			if outItem(t.Line(line)) {
				return nil, false // rather of the list above
			}
		}
	}
	return blocks, true
}

// bodyEnd is the last line of the entry whose key stands at a line, before end. ok
// is false where something else stands in between, such as a merge key: parsers
// disagree on what one means that stands behind other keys, so it is not passed.
func bodyEnd(t *recipe.Text, line, end, column int) (last int, ok bool) {
	last = line
	low := 0 // a comment left of the key
	for n := line + 1; n < end; n++ {
		text := t.Line(n)
		at := indent(text)
		switch {
		case blank(text):
		case at > column, at == column && (strings.HasPrefix(text[at:], "- ") || text[at:] == "-"):
			if low > 0 {
				return 0, false
			}
			last = n
		case isComment(text):
			if at < column {
				low = n
			}
		default:
			return last, at < column && end > t.Lines()
		}
	}
	return last, low == 0 || end > t.Lines()
}

// sortBlocks puts entries in another order: order holds their places now. Blank
// lines stay where they are. The edits are nil where no safe ones are known.
func sortBlocks(n recipe.Node, keys []recipe.Node, order []int, top bool) *slip {
	t := n.Document().Text
	blocks, ok := styleBlocks(t, keys)
	if !ok {
		return nil
	}
	from, to := 0, len(order)-1
	for order[from] == from {
		from++
	}
	for order[to] == to {
		to--
	}
	first := t.LineRange(blocks[from].first)
	last := t.LineRange(blocks[to].last)
	headed := from == 0 && (top && blocks[0].first != keys[0].KeyRange().Start.Line || isComment(t.Line(blocks[0].first-1)))
	trailed := to == len(blocks)-1 && isComment(t.Line(blocks[to].last+1))
	moved := recipe.Range{File: t.Path, Start: first.Start, End: last.End}
	if headed || trailed || anchored(t.Slice(moved)) {
		return nil
	}
	var text strings.Builder
	for place := from; place <= to; place++ {
		b := blocks[order[place]]
		text.WriteString(t.Slice(recipe.Range{File: t.Path, Start: t.LineRange(b.first).Start, End: t.LineRange(b.last).End}))
		if place < to {
			text.WriteString(t.Slice(recipe.Range{File: t.Path, Start: t.LineRange(blocks[place].last).End, End: t.LineRange(blocks[place+1].first).Start}))
		}
	}
	return &slip{edits: []lint.Edit{replaced(moved, text.String())}}
}

// misordered finds the first entry of a mapping that stands too low, and the way
// to sort it. compare orders entries; equal ones keep their order.
func misordered(n recipe.Node, top bool, compare func(a, b string) int, expected string) (slip, bool) {
	keys, ok := ownKeys(n)
	if !ok || len(keys) < 2 {
		return slip{}, false
	}
	order := make([]int, len(keys))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return compare(keys[a].Key(), keys[b].Key()) })
	if slices.IsSorted(order) {
		return slip{}, false
	}
	place := 1
	for compare(keys[place-1].Key(), keys[place].Key()) <= 0 {
		place++
	}
	above := 0
	for compare(keys[above].Key(), keys[place].Key()) <= 0 {
		above++
	}
	found := slip{
		at:      keys[place].KeyRange(),
		message: fmt.Sprintf("%q stands below %q; expected %s", keys[place].Key(), keys[above].Key(), expected),
		fix:     "sort the keys, with their comments",
	}
	if sorted := sortBlocks(n, keys, order, top); sorted != nil {
		found.edits = sorted.edits
	}
	return found, true
}

// anchored tells whether a text may name an anchor. To move it could change what
// aliases mean.
func anchored(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] == '&' && (i == 0 || strings.IndexByte(" \t\n[{,", text[i-1]) >= 0) && i+1 < len(text) && strings.IndexByte(" \t\r\n&", text[i+1]) < 0 {
			return true
		}
	}
	return false
}

func indent(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

func isComment(line string) bool { return strings.HasPrefix(strings.TrimLeft(line, " \t"), "#") }

// outItem tells whether a comment is a list's item that was taken out.
func outItem(line string) bool {
	return strings.HasPrefix(strings.TrimLeft(strings.TrimLeft(line, " \t"), "# \t"), "- ")
}
