package recipe

import (
	"bytes"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Range is where the node's value stands in the text: a scalar with its
// quotes, a flow collection with its brackets, a block collection from its
// first key or dash to the end of its last value. An empty value has an empty
// range behind its key.
func (n Node) Range() Range {
	if !n.Exists() {
		return Range{}
	}
	return n.doc.rangeOf(n.value)
}

// KeyRange is where the node's key stands, its Range when it has no key.
func (n Node) KeyRange() Range {
	if n.key == nil {
		return n.Range()
	}
	return n.doc.rangeOf(n.key)
}

// Sub is where the bytes [from, to) of a scalar's Text stand, whatever the
// quoting: the place of one variable or tag inside a longer string. Where the
// text cannot be followed (an exotic escape), it is the whole scalar's Range.
func (n Node) Sub(from, to int) Range {
	if !n.IsScalar() || from < 0 || to > len(n.value.Value) || from > to {
		return n.Range()
	}
	start, _, marks := n.doc.scan(n.value)
	switch {
	case !marks.known:
		return n.Range()
	case marks.len() == 0:
		return n.doc.Text.Range(start, start)
	case from == marks.len():
		return n.doc.Text.Range(marks.at(from-1).to, marks.at(from-1).to)
	case from == to:
		return n.doc.Text.Range(marks.at(from).from, marks.at(from).from)
	}
	return n.doc.Text.Range(marks.at(from).from, marks.at(to-1).to)
}

// mark is the stretch of text that one byte of a scalar's value comes from.
type mark struct{ from, to int }

// marks has a mark for each byte of a scalar's value, when known.
type marks struct {
	known bool
	list  []mark // nil where value and text are the same bytes
	// Of those: where the text starts, and how many they are.
	start, same int
}

func (m marks) len() int { return max(m.same, len(m.list)) }

func (m marks) at(i int) mark {
	if m.list == nil {
		return mark{m.start + i, m.start + i + 1}
	}
	return m.list[i]
}

// sameBytes are the marks of a value that stands in the text at offset as it is.
func sameBytes(text []byte, offset int, value string) (marks, bool) {
	if len(text)-offset < len(value) || string(text[offset:offset+len(value)]) != value || strings.IndexByte(value, '\n') >= 0 {
		return marks{}, false
	}
	return marks{known: true, start: offset, same: len(value)}, true
}

func (d *Document) rangeOf(n *yaml.Node) Range {
	from, to := d.extent(n, 0)
	return d.Text.Range(from, to)
}

// extent is the byte range of a node in the text.
func (d *Document) extent(n *yaml.Node, depth int) (from, to int) {
	start := max(0, d.Text.Offset(Position{n.Line, n.Column}))
	switch {
	case n.Kind == yaml.ScalarNode:
		from, to, _ = d.scan(n)
		return from, to
	case n.Kind == yaml.AliasNode:
		return start, min(len(d.Text.Bytes), start+1+len(n.Value))
	case len(n.Content) == 0 || depth > 1000:
		return d.closing(d.skipProperties(start), n)
	}
	_, last := d.extent(n.Content[len(n.Content)-1], depth+1)
	if n.Style&yaml.FlowStyle == 0 {
		return d.skipProperties(start), max(start, last)
	}
	_, to = d.closing(last, n)
	return d.skipProperties(start), to
}

// closing finds the bracket that ends a flow collection whose last value ends
// at offset at, over blanks, commas and comments.
func (d *Document) closing(at int, n *yaml.Node) (from, to int) {
	from = at
	bracket := byte('}')
	if n.Kind == yaml.SequenceNode {
		bracket = ']'
	}
	text := d.Text.Bytes
	for ; at < len(text); at++ {
		switch text[at] {
		case bracket:
			return from, at + 1
		case '#':
			for at < len(text) && text[at] != '\n' {
				at++
			}
		}
	}
	return from, from
}

// skipProperties passes over the anchor and the tag before a value: the
// parser's mark stands on them.
func (d *Document) skipProperties(at int) int {
	text := d.Text.Bytes
	for at < len(text) && (text[at] == '&' || text[at] == '!') {
		for at < len(text) && !isBlank(text[at]) {
			at++
		}
		for at < len(text) && isBlank(text[at]) {
			at++
		}
	}
	return at
}

func isBlank(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }

// scan follows a scalar through the text: its byte range, and a mark for each
// byte of its value. The marks are unknown where value and text cannot be
// matched; the range is right even then.
func (d *Document) scan(n *yaml.Node) (from, to int, found marks) {
	from = max(0, d.Text.Offset(Position{n.Line, n.Column}))
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		from = d.skipProperties(from)
		return d.scanBlock(from, n)
	}
	if n.Value == "" && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0 {
		return from, from, marks{known: true}
	}
	from = d.skipProperties(from)
	switch {
	case n.Style&yaml.SingleQuotedStyle != 0:
		return d.scanQuoted(from, n.Value, '\'')
	case n.Style&yaml.DoubleQuotedStyle != 0:
		return d.scanQuoted(from, n.Value, '"')
	}
	return d.scanPlain(from, n.Value)
}

func (d *Document) scanPlain(from int, value string) (int, int, marks) {
	if found, ok := sameBytes(d.Text.Bytes, from, value); ok {
		return from, from + len(value), found
	}
	found, end := follow(d.Text.Bytes, from, value, nil)
	if !found.known {
		end = from
		for end < len(d.Text.Bytes) && d.Text.Bytes[end] != '\n' {
			end++
		}
	}
	return from, end, found
}

func (d *Document) scanQuoted(from int, value string, quote byte) (int, int, marks) {
	text := d.Text.Bytes
	end := from + 1
	for end < len(text) {
		if quote == '"' && text[end] == '\\' {
			end += 2
			continue
		}
		if text[end] != quote {
			end++
			continue
		}
		if quote == '\'' && end+1 < len(text) && text[end+1] == '\'' {
			end += 2
			continue
		}
		break
	}
	end = min(end, len(text))
	if end == from+1+len(value) && strings.IndexByte(value, '\\') < 0 {
		if found, ok := sameBytes(text[:end], from+1, value); ok {
			return from, min(end+1, len(text)), found
		}
	}
	unescape := unescapeSingle
	if quote == '"' {
		unescape = unescapeDouble
	}
	found, _ := follow(text[:end], from+1, value, unescape)
	return from, min(end+1, len(text)), found
}

// scanBlock covers | and > scalars, from the indicator to the end of the last
// line that belongs to it.
func (d *Document) scanBlock(from int, n *yaml.Node) (int, int, marks) {
	text := d.Text.Bytes
	body := from
	for body < len(text) && text[body] != '\n' {
		body++
	}
	body = min(body+1, len(text))
	end, indent := body, -1
	for at := body; at < len(text); {
		stop := at
		for stop < len(text) && text[stop] != '\n' {
			stop++
		}
		line := text[at:stop]
		if trimmed := bytes.TrimLeft(line, " "); len(bytes.TrimSpace(line)) > 0 {
			width := len(line) - len(trimmed)
			if indent < 0 {
				indent = width
			}
			if width < indent || width == 0 && indent == 0 && d.Text.Position(from).Line != 1 {
				break
			}
			end = stop
		}
		at = stop + 1
	}
	first := body
	for first < end && isBlank(text[first]) {
		first++
	}
	lead := len(n.Value) - len(strings.TrimLeft(n.Value, "\n "))
	inner := strings.TrimRight(n.Value[lead:], "\n")
	followed, _ := follow(text[:end], first, inner, nil)
	if !followed.known {
		return from, end, marks{}
	}
	list := make([]mark, 0, len(n.Value))
	for range lead {
		list = append(list, mark{first, first})
	}
	list = append(list, followed.list...)
	for len(list) < len(n.Value) {
		list = append(list, mark{end, end})
	}
	return from, end, marks{known: true, list: list}
}

// follow walks value and text side by side from offset. Blank in the value
// matches any run of blanks in the text, since YAML folds lines. unescape reads
// one escape at the start of its argument and tells its length and what it
// stands for, or length 0.
func follow(text []byte, offset int, value string, unescape func([]byte) (int, string)) (marks, int) {
	list := make([]mark, 0, len(value))
	for i := 0; i < len(value); {
		if offset >= len(text) {
			return marks{}, offset
		}
		if unescape != nil {
			if size, means := unescape(text[offset:]); size > 0 {
				if !strings.HasPrefix(value[i:], means) {
					return marks{}, offset
				}
				for range len(means) {
					list = append(list, mark{offset, offset + size})
				}
				i, offset = i+len(means), offset+size
				continue
			}
		}
		if value[i] == text[offset] && text[offset] != '\n' {
			list = append(list, mark{offset, offset + 1})
			i, offset = i+1, offset+1
			continue
		}
		if !isBlank(text[offset]) || !isBlank(value[i]) && i > 0 && !isBlank(value[i-1]) {
			return marks{}, offset
		}
		for i < len(value) && isBlank(value[i]) {
			list = append(list, mark{offset, offset})
			i++
		}
		for offset < len(text) && isBlank(text[offset]) {
			offset++
		}
	}
	return marks{known: true, list: list}, offset
}

func unescapeSingle(text []byte) (int, string) {
	if bytes.HasPrefix(text, []byte("''")) {
		return 2, "'"
	}
	return 0, ""
}

// simpleEscapes are the one-letter escapes of YAML 1.2, 5.7.
var simpleEscapes = map[byte]string{
	'0': "\x00", 'a': "\a", 'b': "\b", 't': "\t", '\t': "\t", 'n': "\n", 'v': "\v", 'f': "\f", 'r': "\r",
	'e': "\x1b", ' ': " ", '"': `"`, '/': "/", '\\': `\`, 'N': "\u0085", '_': "\u00a0", 'L': "\u2028", 'P': "\u2029",
}

func unescapeDouble(text []byte) (int, string) {
	if len(text) < 2 || text[0] != '\\' {
		return 0, ""
	}
	if means, ok := simpleEscapes[text[1]]; ok {
		return 2, means
	}
	if text[1] == '\n' {
		size := 2
		for size < len(text) && (text[size] == ' ' || text[size] == '\t') {
			size++
		}
		return size, ""
	}
	width := map[byte]int{'x': 2, 'u': 4, 'U': 8}[text[1]]
	if width == 0 || len(text) < 2+width {
		return 0, ""
	}
	code, err := strconv.ParseUint(string(text[2:2+width]), 16, 32)
	if err != nil {
		return 0, ""
	}
	return 2 + width, string(rune(code))
}
