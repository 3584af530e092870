package lint

import (
	"slices"
	"strings"
)

// markdown reads HTML comments, outside code.
func (l *textLines) markdown() {
	fence := ""
	for n := 1; n <= l.text.Lines(); n++ {
		line := l.text.Line(n)
		trimmed := strings.TrimSpace(line)
		switch {
		case fence != "":
			l.code[n] = true
			if strings.HasPrefix(trimmed, fence) {
				fence = ""
			}
		case strings.HasPrefix(trimmed, "```"), strings.HasPrefix(trimmed, "~~~"):
			l.code[n], fence = true, trimmed[:3]
		default:
			l.htmlComments(n, line)
		}
	}
}

func (l *textLines) htmlComments(n int, line string) {
	const open, shut = "<!--", "-->"
	rest := strings.Builder{}
	for at := 0; ; {
		start := strings.Index(line[at:], open)
		if start < 0 {
			rest.WriteString(line[at:])
			break
		}
		start += at
		rest.WriteString(line[at:start])
		length := strings.Index(line[start:], shut)
		body := start + len(open)
		// Other comments are as good as text: a metadata block starts with one.
		ours := strings.HasPrefix(strings.TrimLeft(line[body:], " \t"), ignoreMark)
		if length < 0 || !ours || strings.Count(line[:start], "`")%2 == 1 {
			rest.WriteString(line[start:])
			break
		}
		l.add(n, start, body, start+length)
		at = start + length + len(shut)
	}
	l.code[n] = strings.Trim(rest.String(), " \t\r\ufeff") != ""
	for i := range l.comments {
		if c := &l.comments[len(l.comments)-1-i]; c.line == n {
			c.alone = !l.code[n]
			continue
		}
		break
	}
}

// openers are what comments start with in the files that a recipe may name, and
// closers what ends those that do not end with the line.
var (
	openers = []string{"#", "//", ";", "--", "/*", "<!--", "{{-/*", "{{/*", "{{- /*"}
	closers = []string{"-->", "*/"}
)

// other reads a file of no known language: a comment is what has the mark right
// behind the signs that open one somewhere.
func (l *textLines) other() {
	for n := 1; n <= l.text.Lines(); n++ {
		line := l.text.Line(n)
		mark := strings.Index(line, ignoreMark)
		before := strings.TrimRight(line[:max(mark, 0)], " \t")
		i := slices.IndexFunc(openers, func(open string) bool { return strings.HasSuffix(before, open) })
		if mark < 0 || i < 0 {
			l.mark(n, line, len(line))
			continue
		}
		to := len(line)
		for _, shut := range closers {
			if at := strings.Index(line[mark:], shut); at >= 0 {
				to = min(to, mark+at)
			}
		}
		opened := len(strings.TrimRight(strings.TrimSuffix(before, openers[i]), "#/{-*"))
		l.add(n, opened, mark, to)
		l.mark(n, line, opened)
	}
}
