package lint

import "strings"

// yaml finds a YAML text's comments (YAML 1.2, 6.6) without parsing it, so that a
// file that does not parse may say what it knows of. It follows quotes, flow
// collections and block scalars, where a # opens no comment.
func (l *textLines) yaml() {
	s := yamlScan{block: -1}
	for n := 1; n <= l.text.Lines(); n++ {
		line := l.text.Line(n)
		at := s.line(line)
		if at < 0 {
			l.mark(n, line, len(line))
			if line == "---" {
				l.code[n] = false
			}
			continue
		}
		l.add(n, at, at+1, len(line))
		l.mark(n, line, at)
	}
}

// yamlScan is what goes on over a line's end.
type yamlScan struct {
	quote byte // of an open quoted scalar, 0 for none
	depth int  // of open flow collections
	// An open block scalar: block is the indentation that its lines pass, -1 at
	// the top; content is that of its first line, -1 until it was seen.
	open    bool
	block   int
	content int

	at      int
	text    string
	start   bool // a value or key may start here
	column  int  // of the last key, dash or question mark: what a block is in
	lastKey int
}

// line is where a comment starts in a line, -1 for none.
func (s *yamlScan) line(text string) int {
	s.text, s.at, s.start, s.column = text, 0, true, -1
	if s.open && s.inBlock() {
		return -1
	}
	if s.quote != 0 && !s.closeQuote() {
		return -1
	}
	if strings.HasPrefix(text, "\ufeff") {
		s.at = len("\ufeff")
	}
	if s.depth == 0 && (strings.HasPrefix(text, "--- ") || strings.HasPrefix(text, "---\t")) {
		s.at = 3
	}
	for s.at < len(text) {
		if text[s.at] == '#' && (s.at == 0 || isBlankByte(text[s.at-1]) || text[:s.at] == "\ufeff") {
			return s.at
		}
		if !s.step() {
			return -1
		}
	}
	return -1
}

func isBlankByte(b byte) bool { return b == ' ' || b == '\t' || b == '\r' }

// inBlock tells whether the line belongs to the block scalar that is open.
func (s *yamlScan) inBlock() bool {
	if strings.TrimSpace(s.text) == "" {
		return true
	}
	indent := len(s.text) - len(strings.TrimLeft(s.text, " "))
	switch {
	case s.content >= 0 && indent >= s.content:
		return true
	case s.content < 0 && indent > s.block:
		s.content = indent
		return true
	}
	s.open = false
	return false
}

// closeQuote moves behind the quote that ends a scalar, false when it goes on
// over the line's end.
func (s *yamlScan) closeQuote() bool {
	for s.at < len(s.text) {
		switch b := s.text[s.at]; {
		case b == '\\' && s.quote == '"':
			s.at++
		case b == s.quote && b == '\'' && s.at+1 < len(s.text) && s.text[s.at+1] == b:
			s.at++
		case b == s.quote:
			s.at++
			s.quote, s.start = 0, false
			if s.at < len(s.text) && s.text[s.at] == ':' { // "key":value, as JSON has it
				s.at++
				s.start = true
			}
			return true
		}
		s.at++
	}
	return false
}

// step reads one token, or one character of a plain scalar. It is false at the
// end of what the line can tell.
func (s *yamlScan) step() bool {
	b := s.text[s.at]
	switch {
	case isBlankByte(b):
		s.at++
	case s.start && (b == '"' || b == '\''):
		s.key()
		s.quote = b
		s.at++
		return s.closeQuote()
	case s.start && s.depth == 0 && (b == '|' || b == '>'):
		return s.header()
	case s.start && strings.IndexByte("-?:", b) >= 0 && s.indicator():
		s.column = s.at
		s.at++
	case s.start && strings.IndexByte("&!*", b) >= 0:
		s.properties()
		s.start = b != '*'
	case s.flow(b):
		s.at++
	case b == ':' && s.indicator():
		s.at++
		s.start, s.column = true, s.lastKey
	default:
		s.key()
		s.start = false
		s.at++
	}
	return true
}

// key remembers where a scalar starts that may turn out to be a key.
func (s *yamlScan) key() {
	if s.start {
		s.lastKey = s.at
	}
}

// indicator tells whether what follows makes a character an indicator: a blank,
// the line's end, or in flow collections what ends a value.
func (s *yamlScan) indicator() bool {
	if s.at+1 == len(s.text) {
		return true
	}
	next := s.text[s.at+1]
	return isBlankByte(next) || s.depth > 0 && strings.IndexByte(",[]{}", next) >= 0
}

// properties passes over an anchor, a tag or an alias.
func (s *yamlScan) properties() {
	for s.at < len(s.text) && !isBlankByte(s.text[s.at]) {
		if s.depth > 0 && strings.IndexByte(",[]{}", s.text[s.at]) >= 0 {
			return
		}
		s.at++
	}
}

// flow follows brackets and commas, and tells whether b was one that counts.
func (s *yamlScan) flow(b byte) bool {
	switch {
	case (b == '[' || b == '{') && (s.start || s.depth > 0):
		s.depth++
		s.start = true
	case s.depth > 0 && (b == ']' || b == '}'):
		s.depth--
		s.start = false
	case s.depth > 0 && b == ',':
		s.start = true
	default:
		return false
	}
	return true
}

// header reads the first line of a block scalar, of which only a comment may
// follow (YAML 1.2, 8.1.1).
func (s *yamlScan) header() bool {
	rest := strings.TrimLeft(s.text[s.at+1:], "+-0123456789")
	if trimmed := strings.TrimLeft(rest, " \t\r"); trimmed != "" && (trimmed[0] != '#' || trimmed == rest) {
		s.start = false // a plain scalar after all
		s.at++
		return true
	}
	s.open, s.block, s.content = true, s.column, -1
	for _, b := range []byte(s.text[s.at+1 : len(s.text)-len(rest)]) {
		if b > '0' && b <= '9' {
			s.content = max(s.block, 0) + int(b-'0')
		}
	}
	s.at = len(s.text) - len(rest)
	return true
}
