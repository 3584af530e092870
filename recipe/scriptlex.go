package recipe

import (
	"sort"
	"strings"
	"unicode/utf8"
)

// span is a stretch of bytes in a script.
type span struct{ from, to int }

// shell reads as much of the shell's grammar (POSIX.1-2024, "Shell Command
// Language", and the bash forms that scripts use) as it takes to tell the top
// level from everything else.
type shell struct {
	text      string
	pos       int
	script    *Script
	heredocs  []heredoc      // started on this line, their bodies still to come
	depth     int            // of $(…), ${…} and "…" within each other
	double    bool           // inside "…", where a single quote is just a character
	allExport bool           // after "set -a"
	latest    map[string]int // name to its last assignment, of Script.Exports

	last       Position // the place asked for last
	lastOffset int
}

type heredoc struct {
	delimiter string
	tabs      bool // <<-: the delimiter may be indented
	at        span
}

// maxShellDepth bounds the recursion over nested substitutions.
const maxShellDepth = 50

type tokenKind int

const (
	tokenEnd tokenKind = iota
	tokenNewline
	tokenWord
	tokenOperator
)

type token struct {
	kind tokenKind
	span
}

// next is the next token. Blanks, comments and redirections are none.
func (p *shell) next() token {
	for p.pos < len(p.text) {
		from, rest := p.pos, p.text[p.pos:]
		switch {
		case rest[0] == ' ' || rest[0] == '\t' || strings.HasPrefix(rest, "\r\n"):
			p.pos++
		case strings.HasPrefix(rest, "\\\n"):
			p.pos += 2
		case strings.HasPrefix(rest, "\\\r\n"):
			p.pos += 3
		case rest[0] == '#':
			p.pos += lineLen(rest)
		case rest[0] == '\n':
			p.pos++
			p.skipHeredocs()
			return token{tokenNewline, span{from, from + 1}}
		case (rest[0] == '<' || rest[0] == '>') && !strings.HasPrefix(rest[1:], "(") || strings.HasPrefix(rest, "&>"):
			p.redirection()
		case operatorLen(rest) > 0:
			p.pos += operatorLen(rest)
			return token{tokenOperator, span{from, p.pos}}
		default:
			p.word()
			if w := p.text[from:p.pos]; isDigits(w) && p.pos < len(p.text) && (p.text[p.pos] == '<' || p.text[p.pos] == '>') {
				continue // the 2 of 2>file
			}
			return token{tokenWord, span{from, p.pos}}
		}
	}
	return token{tokenEnd, span{p.pos, p.pos}}
}

// operators, the longer ones first.
var operators = []string{";;&", ";;", ";&", "&&", "||", "|&", ";", "&", "|", "(", ")"}

func operatorLen(s string) int {
	for _, o := range operators {
		if strings.HasPrefix(s, o) {
			return len(o)
		}
	}
	return 0
}

// redirection skips an operator such as >, 2>&1 or << and its target.
func (p *shell) redirection() {
	from := p.pos
	for p.pos < len(p.text) && strings.IndexByte("<>&|", p.text[p.pos]) >= 0 && p.pos-from < 3 {
		p.pos++
	}
	operator := p.text[from:p.pos]
	tabs := operator == "<<" && strings.HasPrefix(p.text[p.pos:], "-")
	if tabs {
		p.pos++
	}
	p.pos += len(p.text[p.pos:]) - len(strings.TrimLeft(p.text[p.pos:], " \t"))
	target := p.pos
	if p.pos < len(p.text) && !p.atDelimiter() {
		p.word()
	}
	if operator != "<<" || target == p.pos {
		return
	}
	delimiter := strings.NewReplacer(`'`, "", `"`, "", `\`, "").Replace(p.text[target:p.pos])
	p.heredocs = append(p.heredocs, heredoc{delimiter, tabs, span{from, p.pos}})
}

// skipHeredocs skips the bodies that start here.
func (p *shell) skipHeredocs() {
	waiting := p.heredocs
	p.heredocs = nil
	for _, h := range waiting {
		closed := false
		for p.pos < len(p.text) && !closed {
			n := lineLen(p.text[p.pos:])
			line := strings.TrimSuffix(p.text[p.pos:p.pos+n], "\r")
			if h.tabs {
				line = strings.TrimLeft(line, "\t")
			}
			closed = line == h.delimiter
			p.pos = min(p.pos+n+1, len(p.text))
		}
		if !closed {
			p.problem(h.at.from, h.at.to, "the here-document has no closing line %q", h.delimiter)
		}
	}
}

func lineLen(s string) int {
	if n := strings.IndexByte(s, '\n'); n >= 0 {
		return n
	}
	return len(s)
}

// atDelimiter says whether a word ends here.
func (p *shell) atDelimiter() bool {
	switch c := p.text[p.pos]; c {
	case ' ', '\t', '\n', ';', '&', '|', ')':
		return true
	case '\r':
		return strings.HasPrefix(p.text[p.pos:], "\r\n")
	case '<', '>':
		return !strings.HasPrefix(p.text[p.pos+1:], "(")
	}
	return false
}

// word skips one word, its quotes and substitutions with it.
func (p *shell) word() {
	from, equals := p.pos, -1
	for p.pos < len(p.text) && !p.atDelimiter() {
		c := p.text[p.pos]
		switch {
		case c == '(':
			if !p.parenInWord(from, equals) {
				return
			}
			p.balanced('(', ')')
		case c == '=' && equals < 0:
			equals = p.pos
			p.pos++
		case c == '\'':
			p.single(p.pos > from && p.text[p.pos-1] == '$')
		default:
			p.part()
		}
	}
}

// parenInWord tells an array or an extended pattern, X=(a b) or !(a|b), from
// the operator. equals is where the word's first "=" stands.
func (p *shell) parenInWord(from, equals int) bool {
	if p.pos == from {
		return false
	}
	if p.text[p.pos-1] == '=' {
		return p.pos-1 == equals && p.assignment(span{from, p.pos}) == p.pos
	}
	return strings.IndexByte("?*+@!", p.text[p.pos-1]) >= 0
}

// part skips one character, quotation or substitution other than '…'.
func (p *shell) part() {
	rest := p.text[p.pos:]
	switch {
	case rest[0] == '\\':
		p.pos = min(p.pos+2, len(p.text))
	case rest[0] == '"':
		p.quoted('"')
	case rest[0] == '`':
		p.quoted('`')
	case strings.HasPrefix(rest, "$(("):
		p.pos++
		p.balanced('(', ')')
	case strings.HasPrefix(rest, "$(") || strings.HasPrefix(rest, "<(") || strings.HasPrefix(rest, ">("):
		p.substitution()
	case strings.HasPrefix(rest, "${"):
		p.pos++
		p.balanced('{', '}')
	default:
		p.pos++
	}
}

// single skips '…', with backslashes in it when it is $'…'.
func (p *shell) single(escapes bool) {
	from := p.pos
	for p.pos++; p.pos < len(p.text); p.pos++ {
		switch {
		case escapes && p.text[p.pos] == '\\':
			p.pos++
		case p.text[p.pos] == '\'':
			p.pos++
			return
		}
	}
	p.pos = len(p.text)
	p.problem(from, from+1, "the quote %q is not closed", "'")
}

// quoted skips "…" or `…`.
func (p *shell) quoted(quote byte) {
	from := p.pos
	if !p.enter() {
		return
	}
	defer p.leave(p.double)
	p.double = p.double || quote == '"'
	for p.pos++; p.pos < len(p.text) && p.text[p.pos] != quote; {
		if quote == '"' {
			p.part()
			continue
		}
		if p.text[p.pos] == '\\' {
			p.pos++
		}
		p.pos++
	}
	if p.pos >= len(p.text) {
		p.pos = len(p.text)
		p.problem(from, from+1, "the quote %q is not closed", string(quote))
		return
	}
	p.pos++
}

// balanced skips from an opening bracket to the one that closes it. A "{" that
// no "$" precedes opens nothing.
func (p *shell) balanced(open, closing byte) {
	from, level := p.pos, 0
	if !p.enter() {
		return
	}
	defer p.leave(p.double)
	for p.pos < len(p.text) {
		switch c := p.text[p.pos]; {
		case c == open && (open == '(' || p.pos == from):
			level++
			p.pos++
		case c == closing:
			p.pos++
			if level--; level == 0 {
				return
			}
		case c == '\'' && !p.double:
			p.single(false)
		default:
			p.part()
		}
	}
	p.problem(from, from+1, "the bracket %q is not closed", string(open))
}

// substitution skips $(…): it holds commands, with all that they may hold.
func (p *shell) substitution() {
	from := p.pos
	if !p.enter() {
		return
	}
	defer p.leave(p.double)
	p.pos += 2
	p.double = false
	outer := p.heredocs
	p.heredocs = nil
	if !p.commands(true) {
		p.problem(from, from+2, "the command substitution is not closed")
	}
	p.heredocs = outer
}

// enter counts the nesting. Past the limit the rest of the script is given up.
func (p *shell) enter() bool {
	if p.depth++; p.depth <= maxShellDepth {
		return true
	}
	p.depth--
	p.problem(p.pos, p.pos+1, "quotes and substitutions are nested deeper than %d; the rest is not read", maxShellDepth)
	p.pos = len(p.text)
	return false
}

func (p *shell) leave(double bool) {
	p.depth--
	p.double = double
}

// rangeOf is Text.Range, counting on from the place asked for last: a script of
// one long line would else be counted from its start for each word.
func (p *shell) rangeOf(from, to int) Range {
	return Range{File: p.script.Text.Path, Start: p.position(from), End: p.position(to)}
}

func (p *shell) position(offset int) Position {
	t, last := p.script.Text, p.last
	line := sort.SearchInts(t.lines, offset+1) // counts from 1
	at := Position{Line: line}
	switch {
	case line != last.Line:
		at = t.Position(offset)
	case offset >= p.lastOffset:
		at.Column = last.Column + utf8.RuneCount(t.Bytes[p.lastOffset:offset])
	default:
		at.Column = last.Column - utf8.RuneCount(t.Bytes[offset:p.lastOffset])
	}
	p.last, p.lastOffset = at, offset
	return at
}
