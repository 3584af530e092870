package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/galley-coop/galley/recipe"
)

// tabStop is the distance of tab stops in shown lines, in cells.
const tabStop = 4

// widest is how many cells of a line are shown: minified files have lines of
// megabytes.
const widest = 160

// farthest is how many code points are looked at on either side of the place
// that is pointed at.
const farthest = 4 * widest

// rendered is a source line as a terminal shows it: pieces of text, one for each
// code point of the source, and the cell each one starts at.
type rendered struct {
	column         int // of the first piece, counted from 1
	pieces         []string
	starts         []int // one more than pieces: the last is the whole width
	before, behind bool  // there is more of the line
}

// render expands tabs and escapes what a terminal would obey. Of a long line it
// takes what is around column.
func render(line string, column int) rendered {
	r := rendered{column: 1, starts: []int{0}}
	for r.column < column-farthest && len(line) > 0 {
		_, size := utf8.DecodeRuneInString(line)
		line = line[size:]
		r.column++
		r.before = true
	}
	at := 0
	for len(line) > 0 {
		if len(r.pieces) == 2*farthest {
			r.behind = true
			break
		}
		c, size := utf8.DecodeRuneInString(line)
		piece, width := show(c, line[:size], at)
		line = line[size:]
		at += width
		r.pieces = append(r.pieces, piece)
		r.starts = append(r.starts, at)
	}
	return r
}

// show is how the code point c, written as raw, looks at a cell, and how many
// cells it takes.
func show(c rune, raw string, at int) (piece string, width int) {
	switch {
	case c == '\t':
		width = tabStop - at%tabStop
		return strings.Repeat(" ", width), width
	case c == utf8.RuneError && len(raw) == 1:
		piece = fmt.Sprintf(`\x%02x`, raw[0])
		return piece, len(piece)
	case unsafeRune(c):
		piece = escape(c)
		return piece, len(piece)
	}
	return raw, runeWidth(c)
}

func escape(c rune) string {
	switch {
	case c < 0x100:
		return fmt.Sprintf(`\x%02x`, c)
	case c > 0xffff:
		return fmt.Sprintf(`\U%08x`, c)
	}
	return fmt.Sprintf(`\u%04x`, c)
}

// visible is s on one line, with nothing in it that a terminal would obey.
func visible(s string) string {
	if !strings.ContainsFunc(s, func(c rune) bool { return c == utf8.RuneError || c == '\t' || unsafeRune(c) }) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		c, size := utf8.DecodeRuneInString(s)
		piece, _ := show(c, s[:size], 0)
		if c == '\t' {
			piece = " "
		}
		b.WriteString(piece)
		s = s[size:]
	}
	return b.String()
}

// cell is where the code point at column, counted from 1, starts.
func (r rendered) cell(column int) int {
	return r.starts[max(0, min(column-r.column, len(r.starts)-1))]
}

func (r rendered) width() int { return r.starts[len(r.starts)-1] }

// clipped is what is shown of a line, and the cells from start to end in it: to the
// line's end when end is on a line below.
func clipped(source string, start, end recipe.Position) (shown string, from, to int) {
	if len(source) <= widest && isPlain(source) { // a cell is a byte
		from, to = max(0, min(start.Column-1, len(source))), min(end.Column-1, len(source))
		if end.Line > start.Line {
			to = len(source)
		}
		return source, from, max(to, from+1)
	}
	line := render(source, start.Column)
	from, to = line.cell(start.Column), line.cell(end.Column)
	if end.Line > start.Line {
		to = line.width()
	}
	return line.clip(from, max(to, from+1))
}

// isPlain tells whether a line is printable ASCII and nothing else.
func isPlain(line string) bool {
	for i := range len(line) {
		if line[i] < ' ' || line[i] > '~' {
			return false
		}
	}
	return true
}

// clip cuts the line to what fits around the cells [from, to), which move with
// it. A cut is marked.
func (r rendered) clip(from, to int) (line string, newFrom, newTo int) {
	const mark = "…"
	left := 0
	if r.width() > widest && from > widest/2 {
		left = from - widest/4
	}
	first, last := 0, len(r.pieces)
	for r.starts[first] < left {
		first++
	}
	for last > first && r.starts[last] > r.starts[first]+widest {
		last--
	}
	line = strings.Join(r.pieces[first:last], "")
	to = min(to, r.starts[last])
	shift := -r.starts[first]
	if first > 0 || r.before {
		line, shift = mark+line, shift+1
	}
	if last < len(r.pieces) || r.behind {
		line += mark
	}
	return line, from + shift, max(to, from+1) + shift
}

// unsafeRune tells what is never written to a terminal as it is: controls (a tab
// is none here), marks of direction, tags, separators of lines. Joiners are
// harmless, and emoji need them.
func unsafeRune(c rune) bool {
	switch {
	case c == '\t', c == '\u200c', c == '\u200d':
		return false
	case c < 0x20, c >= 0x7f && c < 0xa0, c == '\u2028', c == '\u2029':
		return true
	}
	return c >= 0x80 && unicode.Is(unicode.Cf, c)
}

// runeWidth is the number of cells a code point takes on most terminals.
func runeWidth(c rune) int {
	switch {
	case c < 0x300:
		return 1
	case unicode.In(c, unicode.Mn, unicode.Me, unicode.Cf), c >= 0x1160 && c <= 0x11ff: // jamo join the one before
		return 0
	case unicode.Is(wide, c):
		return 2
	}
	return 1
}

// wide are the code points of two cells: those that Unicode's EastAsianWidth
// calls W or F, close neighbours joined where what lies between is unassigned.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x1100, 0x115f, 1}, {0x231a, 0x231b, 1}, {0x2329, 0x232a, 1}, {0x23e9, 0x23ec, 1}, {0x23f0, 0x23f0, 1},
		{0x23f3, 0x23f3, 1}, {0x25fd, 0x25fe, 1}, {0x2614, 0x2615, 1}, {0x2648, 0x2653, 1}, {0x267f, 0x267f, 1},
		{0x2693, 0x2693, 1}, {0x26a1, 0x26a1, 1}, {0x26aa, 0x26ab, 1}, {0x26bd, 0x26be, 1}, {0x26c4, 0x26c5, 1},
		{0x26ce, 0x26ce, 1}, {0x26d4, 0x26d4, 1}, {0x26ea, 0x26ea, 1}, {0x26f2, 0x26f3, 1}, {0x26f5, 0x26f5, 1},
		{0x26fa, 0x26fa, 1}, {0x26fd, 0x26fd, 1}, {0x2705, 0x2705, 1}, {0x270a, 0x270b, 1}, {0x2728, 0x2728, 1},
		{0x274c, 0x274c, 1}, {0x274e, 0x274e, 1}, {0x2753, 0x2755, 1}, {0x2757, 0x2757, 1}, {0x2795, 0x2797, 1},
		{0x27b0, 0x27b0, 1}, {0x27bf, 0x27bf, 1}, {0x2b1b, 0x2b1c, 1}, {0x2b50, 0x2b50, 1}, {0x2b55, 0x2b55, 1},
		{0x2e80, 0x303e, 1}, {0x3041, 0x4dbf, 1}, {0x4e00, 0xa4cf, 1}, {0xa960, 0xa97f, 1}, {0xac00, 0xd7a3, 1},
		{0xf900, 0xfaff, 1}, {0xfe10, 0xfe19, 1}, {0xfe30, 0xfe6f, 1}, {0xff01, 0xff60, 1}, {0xffe0, 0xffe6, 1},
	},
	R32: []unicode.Range32{
		{0x16fe0, 0x18dff, 1}, {0x1aff0, 0x1b2ff, 1}, {0x1f004, 0x1f004, 1}, {0x1f0cf, 0x1f0cf, 1},
		{0x1f18e, 0x1f18e, 1}, {0x1f191, 0x1f19a, 1}, {0x1f200, 0x1f265, 1}, {0x1f300, 0x1f320, 1},
		{0x1f32d, 0x1f335, 1}, {0x1f337, 0x1f37c, 1}, {0x1f37e, 0x1f393, 1}, {0x1f3a0, 0x1f3ca, 1},
		{0x1f3cf, 0x1f3d3, 1}, {0x1f3e0, 0x1f3f0, 1}, {0x1f3f4, 0x1f3f4, 1}, {0x1f3f8, 0x1f43e, 1},
		{0x1f440, 0x1f440, 1}, {0x1f442, 0x1f4fc, 1}, {0x1f4ff, 0x1f53d, 1}, {0x1f54b, 0x1f54e, 1},
		{0x1f550, 0x1f567, 1}, {0x1f57a, 0x1f57a, 1}, {0x1f595, 0x1f596, 1}, {0x1f5a4, 0x1f5a4, 1},
		{0x1f5fb, 0x1f64f, 1}, {0x1f680, 0x1f6c5, 1}, {0x1f6cc, 0x1f6cc, 1}, {0x1f6d0, 0x1f6d2, 1},
		{0x1f6d5, 0x1f6df, 1}, {0x1f6eb, 0x1f6ec, 1}, {0x1f6f4, 0x1f6fc, 1}, {0x1f7e0, 0x1f7eb, 1},
		{0x1f7f0, 0x1f7f0, 1}, {0x1f90c, 0x1f93a, 1}, {0x1f93c, 0x1f945, 1}, {0x1f947, 0x1f9ff, 1},
		{0x1fa70, 0x1faff, 1}, {0x20000, 0x2fffd, 1}, {0x30000, 0x3fffd, 1},
	},
}
