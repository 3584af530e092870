package recipe

import (
	"fmt"
	"strings"
)

// Script is what abra.sh declares, read without running it: the variables that
// its top level sets and the functions that it defines. Exports of the form
// <CONFIG>_VERSION say which version of each config a deploy creates.
type Script struct {
	Text *Text
	// Exports are the assignments of the top level, in the file's order. Those in
	// functions, subshells and before a command (X=1 cmd) are none of it.
	Exports   []Export
	Functions []Function
	// Problems are places where the text is no shell script: what follows them may
	// be read wrongly.
	Problems []Problem
}

// Export is one assignment of a script's top level.
type Export struct {
	Name string
	// Value is without quotes and escapes; the text as it is written when Dynamic.
	Value string
	// Exported is false for a plain NAME=value, which a deploy does not see.
	Exported bool
	// Dynamic means that only running the script could tell the value: it holds a
	// variable or a command, or it is set under a condition or in a loop.
	Dynamic bool
	// Range covers NAME=value, without the word export. ValueRange has the quotes.
	NameRange, ValueRange, Range Range
}

// Function is a function of a script, from its name to its closing brace.
type Function struct {
	Name  string
	Range Range
}

// Get finds what the script leaves in name: its last assignment.
func (s *Script) Get(name string) (Export, bool) {
	for i := len(s.Exports) - 1; i >= 0; i-- {
		if s.Exports[i].Name == name {
			return s.Exports[i], true
		}
	}
	return Export{}, false
}

// ParseScript reads a shell script. It never fails and never runs anything.
func ParseScript(text *Text) *Script {
	p := &shell{text: string(text.Bytes), script: &Script{Text: text}, latest: map[string]int{}}
	if strings.HasPrefix(p.text, byteOrderMark) {
		p.pos = len(byteOrderMark)
	}
	p.commands(false)
	sortProblems(p.script.Problems)
	return p.script
}

// maxScriptProblems bounds what one script is told.
const maxScriptProblems = 20

func (p *shell) problem(from, to int, format string, args ...any) {
	if len(p.script.Problems) < maxScriptProblems {
		r := p.script.Text.Range(from, to)
		p.script.Problems = append(p.script.Problems, Problem{Range: r, Message: fmt.Sprintf(format, args...)})
	}
}

// record keeps what a simple command of the top level assigns.
func (p *shell) record(words []span, dynamic bool) {
	for i, w := range words {
		if p.assignment(w) > 0 {
			continue
		}
		if i == 0 {
			p.builtin(words, dynamic)
		}
		return // NAME=value before a command is that command's alone
	}
	for _, w := range words {
		p.assign(w, p.allExport, dynamic)
	}
}

// builtin reads the commands that declare variables, and "set -a".
func (p *shell) builtin(words []span, dynamic bool) {
	args := words[1:]
	var flags string
	for len(args) > 0 && (p.text[args[0].from] == '-' || p.text[args[0].from] == '+') {
		flags += p.text[args[0].from:args[0].to]
		args = args[1:]
	}
	exported := false
	switch p.text[words[0].from:words[0].to] {
	case "export":
		if strings.ContainsAny(flags, "nfp") {
			return
		}
		exported = true
	case "declare", "typeset", "readonly":
		exported = strings.Contains(flags, "x") || p.allExport
	case "set":
		if strings.Contains(flags, "a") {
			p.allExport = !strings.Contains(flags, "+")
		}
		return
	default:
		return
	}
	for _, w := range args {
		if p.assign(w, exported, dynamic) || !exported {
			continue
		}
		if i, ok := p.latest[p.text[w.from:w.to]]; ok { // X=1, then export X
			p.script.Exports[i].Exported = true
		}
	}
}

// add keeps an assignment and remembers it for a later "export NAME".
func (p *shell) add(e Export) {
	p.latest[e.Name] = len(p.script.Exports)
	p.script.Exports = append(p.script.Exports, e)
}

// assignment is where the value of NAME=value starts, 0 when w is none.
func (p *shell) assignment(w span) int {
	at := w.from + nameLen(p.text[w.from:w.to])
	if at == w.from {
		return 0
	}
	if at < w.to && p.text[at] == '[' {
		n := strings.Index(p.text[at:w.to], "]")
		if n < 0 {
			return 0
		}
		at += n + 1
	}
	if at < w.to && p.text[at] == '+' {
		at++
	}
	if at == w.to || p.text[at] != '=' {
		return 0
	}
	return at + 1
}

// assign keeps w when it is an assignment, quoted as a whole or not.
func (p *shell) assign(w span, exported, dynamic bool) bool {
	value := p.assignment(w)
	if value == 0 {
		return p.assignQuoted(w, exported, dynamic)
	}
	n := nameLen(p.text[w.from:w.to])
	e := Export{
		Name: p.text[w.from : w.from+n], Exported: exported,
		NameRange: p.rangeOf(w.from, w.from+n), ValueRange: p.rangeOf(value, w.to), Range: p.rangeOf(w.from, w.to),
	}
	literal, ok := literalWord(p.text[value:w.to])
	if plain := value == w.from+n+1; !ok || !plain || dynamic {
		literal, e.Dynamic = p.text[value:w.to], true
	}
	e.Value = literal
	p.add(e)
	return true
}

// assignQuoted is export "NAME=value".
func (p *shell) assignQuoted(w span, exported, dynamic bool) bool {
	literal, ok := literalWord(p.text[w.from:w.to])
	name, value, cut := strings.Cut(literal, "=")
	if !ok || !cut || name == "" || nameLen(name) != len(name) || !strings.HasPrefix(p.text[w.from+1:], name+"=") {
		return false
	}
	from := w.from + 1
	p.add(Export{
		Name: name, Value: value, Exported: exported, Dynamic: dynamic,
		NameRange: p.rangeOf(from, from+len(name)), ValueRange: p.rangeOf(from+len(name)+1, w.to-1), Range: p.rangeOf(w.from, w.to),
	})
	return true
}

// literalWord removes a word's quotes and escapes. It is false for a word that
// the shell would expand; $'…' and $"…" count as such.
func literalWord(word string) (string, bool) {
	var out strings.Builder
	if strings.HasPrefix(word, "~") {
		return "", false
	}
	double := false
	for i := 0; i < len(word); i++ {
		c := word[i]
		switch {
		case c == '"':
			double = !double
		case c == '\'' && !double:
			n := strings.IndexByte(word[i+1:], '\'')
			if n < 0 {
				return "", false
			}
			out.WriteString(word[i+1 : i+1+n])
			i += n + 1
		case c == '\\' && i+1 < len(word):
			i++
			if word[i] == '\n' {
				continue
			}
			if double && !strings.ContainsRune("$`\"\\", rune(word[i])) {
				out.WriteByte('\\')
			}
			out.WriteByte(word[i])
		case c == '`', c == '$' && expands(word[i+1:], double), !double && strings.IndexByte("(<>", c) >= 0:
			return "", false
		default:
			out.WriteByte(c)
		}
	}
	return out.String(), !double
}

// expands says whether a dollar with rest behind it is more than a dollar.
func expands(rest string, double bool) bool {
	if rest == "" {
		return false
	}
	return nameLen(rest[:1]) == 1 || strings.IndexByte("{([@*#?$!-0123456789", rest[0]) >= 0 ||
		!double && (rest[0] == '\'' || rest[0] == '"')
}
