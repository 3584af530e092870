package recipe

import (
	"sort"
	"unicode/utf8"
)

// Position is a place in a text file. Line and Column count from 1; Column
// counts Unicode code points, and a CR before a LF belongs to the line's end.
// The zero Position means that the place is not known.
type Position struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

// Range is a stretch of text in one file. End is exclusive: the column after
// the last code point. A Range with an empty File points nowhere.
type Range struct {
	File  string   `json:"file"`
	Start Position `json:"start"`
	End   Position `json:"end"`
}

// Text is a file's bytes with a line table, so that an offset becomes a
// Position without counting from the start each time.
type Text struct {
	Path  string // slash-separated, relative to the recipe's root
	Bytes []byte
	lines []int // offset of each line's first byte
	// counts are code points up to some offsets, ascending, at most countEvery
	// bytes apart: a file of one long line would else be walked from its start
	// for every finding in it. Empty for ASCII, where a byte is a code point.
	counts []count
}

// count says that the bytes before offset are so many code points.
type count struct{ offset, points int }

const countEvery = 1024

// NewText indexes the lines of data. It keeps data, and does not copy it.
func NewText(path string, data []byte) *Text {
	t := &Text{Path: path, Bytes: data, lines: []int{0}}
	ascii := true
	for i, b := range data {
		if b == '\n' {
			t.lines = append(t.lines, i+1)
		}
		ascii = ascii && b < utf8.RuneSelf
	}
	if !ascii {
		t.count()
	}
	return t
}

func (t *Text) count() {
	t.counts = []count{{}}
	last := count{}
	for offset, points := 0, 0; offset < len(t.Bytes); points++ {
		if offset-last.offset >= countEvery {
			last = count{offset, points}
			t.counts = append(t.counts, last)
		}
		_, size := utf8.DecodeRune(t.Bytes[offset:])
		offset += size
	}
}

// points is how many code points the bytes before offset are.
func (t *Text) points(offset int) int {
	if len(t.counts) == 0 {
		return offset
	}
	i := sort.Search(len(t.counts), func(i int) bool { return t.counts[i].offset > offset }) - 1
	from := t.counts[i]
	return from.points + utf8.RuneCount(t.Bytes[from.offset:offset])
}

// after is the offset behind the first so many code points.
func (t *Text) after(points int) int {
	if len(t.counts) == 0 {
		return min(points, len(t.Bytes))
	}
	i := sort.Search(len(t.counts), func(i int) bool { return t.counts[i].points > points }) - 1
	offset := t.counts[i].offset
	for left := points - t.counts[i].points; left > 0 && offset < len(t.Bytes); left-- {
		_, size := utf8.DecodeRune(t.Bytes[offset:])
		offset += size
	}
	return offset
}

// Lines is the number of lines; a trailing newline does not start one more,
// except in an empty file, which has one empty line.
func (t *Text) Lines() int {
	n := len(t.lines)
	if n > 1 && t.lines[n-1] == len(t.Bytes) {
		return n - 1
	}
	return n
}

// Line is the text of line n, counted from 1, without its line end. Lines
// outside the file are empty.
func (t *Text) Line(n int) string {
	if n < 1 || n > len(t.lines) {
		return ""
	}
	end := len(t.Bytes)
	if n < len(t.lines) {
		end = t.lines[n] - 1
	}
	line := t.Bytes[t.lines[n-1]:end]
	if len(line) > 0 && line[len(line)-1] == '\r' {
		line = line[:len(line)-1]
	}
	return string(line)
}

// Position is where the byte at offset stands. Offsets past the end are
// clamped to it. Bytes that are no UTF-8 count one column each.
func (t *Text) Position(offset int) Position {
	offset = max(0, min(offset, len(t.Bytes)))
	line := sort.SearchInts(t.lines, offset+1) - 1
	return Position{Line: line + 1, Column: t.points(offset) - t.points(t.lines[line]) + 1}
}

// Offset is the byte at which p stands, clamped to the end of its line, or -1
// when the file has no such line.
func (t *Text) Offset(p Position) int {
	if p.Line < 1 || p.Line > len(t.lines) || p.Column < 1 {
		return -1
	}
	start, end := t.lines[p.Line-1], len(t.Bytes)
	if p.Line < len(t.lines) {
		end = t.lines[p.Line] - 1
	}
	return max(start, min(end, t.after(t.points(start)+p.Column-1)))
}

// Range covers the bytes [from, to).
func (t *Text) Range(from, to int) Range {
	return Range{File: t.Path, Start: t.Position(from), End: t.Position(to)}
}

// LineRange covers line n without its line end.
func (t *Text) LineRange(n int) Range {
	width := utf8.RuneCountInString(t.Line(n))
	return Range{File: t.Path, Start: Position{n, 1}, End: Position{n, width + 1}}
}

// Slice is the text that r covers, "" when r lies outside the file.
func (t *Text) Slice(r Range) string {
	from, to := t.Offset(r.Start), t.Offset(r.End)
	if from < 0 || to < from {
		return ""
	}
	return string(t.Bytes[from:to])
}
