package lsp

import (
	"bytes"
	"sort"
	"unicode/utf8"

	"github.com/galley-coop/galley/recipe"
)

// page is one file as an editor sees it: its text in lines of UTF-16 code units.
// A line ends with LF, CR LF or CR, whatever the linter takes for a line's end.
type page struct {
	data  []byte
	lines []int // offset of each line's first byte
}

func newPage(data []byte) *page {
	p := &page{data: data, lines: []int{0}}
	for i, b := range data {
		if b == '\n' || b == '\r' && (i+1 == len(data) || data[i+1] != '\n') {
			p.lines = append(p.lines, i+1)
		}
	}
	return p
}

// position is where the byte at offset stands. Bytes that are no UTF-8 count one
// code unit each: an editor shows a replacement character for each.
func (p *page) position(offset int) position {
	offset = max(0, min(offset, len(p.data)))
	line := sort.SearchInts(p.lines, offset+1) - 1
	units := uint32(0)
	for rest := p.data[p.lines[line]:offset]; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if units++; r > 0xffff {
			units++
		}
		rest = rest[size:]
	}
	return position{Line: uint32(line), Character: units}
}

// placed is one file of a target: the text that findings' places are of, and the
// page that the editor has of it.
type placed struct {
	path string // on disk
	uri  string
	doc  *document // nil when it is not open
	text *recipe.Text
	page *page
}

var mark = []byte("\ufeff")

// place puts a text beside the editor's page of it. They differ in a byte order
// mark at most: parsers drop it, and editors do when they open a file.
func place(path string, doc *document, text *recipe.Text) *placed {
	p := &placed{path: path, doc: doc, text: text}
	if doc != nil {
		p.uri, p.page = doc.uri, newPage(doc.text)
		return p
	}
	p.uri, p.page = uriOf(path), newPage(bytes.TrimPrefix(text.Bytes, mark))
	return p
}

// offset is where a byte of the text is in the page.
func (p *placed) offset(at int) int {
	if bytes.HasPrefix(p.page.data, mark) {
		at += len(mark)
	}
	if bytes.HasPrefix(p.text.Bytes, mark) {
		at -= len(mark)
	}
	return at
}

// position converts a place in the text. One that is not known, or not there, is
// the first one.
func (p *placed) position(at recipe.Position) position {
	offset := p.text.Offset(at)
	if offset < 0 || at.Column < 1 {
		return position{}
	}
	return p.page.position(p.offset(offset))
}

func (p *placed) textRange(start, end recipe.Position) textRange {
	r := textRange{p.position(start), p.position(end)}
	if r.End.before(r.Start) {
		r.End = r.Start
	}
	return r
}
