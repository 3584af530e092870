package lint

import (
	"path"
	"slices"
	"strings"

	"github.com/galley-coop/galley/recipe"
)

// comment is one comment of a text, as bytes of its line: behind the signs that
// open it, to the line's end or to the signs that close it.
type comment struct {
	line, from, to int
	alone          bool // nothing else is on the line
}

// textLines is what a text's language makes of its lines. Lines count from 1.
type textLines struct {
	text     *recipe.Text
	comments []comment
	code     []bool // more than a comment
	// next is the first line of code from each line on, past the last for none.
	next []int
	// closed are blocks whose end the indentation does not tell, by first line.
	closed map[int]int
	blocks map[int]int // ends that were found before
}

// linesOf reads a text in the language that its place in the recipe promises.
func linesOf(r *recipe.Recipe, text *recipe.Text) *textLines {
	l := &textLines{text: text, code: make([]bool, text.Lines()+2), closed: map[int]int{}, blocks: map[int]int{}}
	ext := path.Ext(text.Path)
	switch {
	case r.Sample != nil && r.Sample.Text == text:
		l.env(r.Sample)
	case r.Script != nil && r.Script.Text == text, ext == ".sh":
		l.shell()
	case r.Readme != nil && r.Readme.Text == text:
		l.markdown()
		if m := r.Readme.Metadata; m != nil {
			l.closed[m.Range.Start.Line] = m.Range.End.Line
		}
	case ext == ".md", path.Dir(text.Path) == recipe.NotesDir:
		l.markdown()
	case ext == ".yml", ext == ".yaml":
		l.yaml()
	default:
		l.other()
	}
	l.next = make([]int, len(l.code)+1)
	l.next[len(l.code)] = len(l.code)
	for n := len(l.code) - 1; n > 0; n-- {
		l.next[n] = n
		if !l.code[n] {
			l.next[n] = l.next[n+1]
		}
	}
	return l
}

// atTop tells whether only comments and blank lines are above a line.
func (l *textLines) atTop(n int) bool { return l.next[1] >= n }

// block is the next line of code behind a comment's, and the end of what it
// opens: the lines below it that are indented more, and the items of a list that
// stand at the indentation of its key. It is empty at the end of the text.
func (l *textLines) block(line int) (first, last int) {
	first = l.next[min(line+1, len(l.next)-1)]
	if first > l.text.Lines() {
		return line + 1, line
	}
	if end, ok := l.closed[first]; ok {
		return first, end
	}
	if _, ok := l.blocks[first]; !ok {
		l.blocks[first] = l.blockEnd(first)
	}
	return first, l.blocks[first]
}

func (l *textLines) blockEnd(first int) int {
	head := l.text.Line(first)
	indent, item := indentOf(head), isItem(head)
	end := first
	for n := l.next[first+1]; n <= l.text.Lines(); n = l.next[n+1] {
		line := l.text.Line(n)
		deeper := indentOf(line) > indent
		sibling := indentOf(line) == indent && isItem(line) && !item
		if !deeper && !sibling {
			if closesFlow(line, indent) {
				end = n
			}
			break
		}
		end = n
	}
	return end
}

func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " \t")) }

func isItem(line string) bool {
	line = strings.TrimLeft(line, " \t")
	return strings.HasPrefix(line, "- ") || strings.TrimRight(line, "\r") == "-"
}

// closesFlow tells whether a line at an indentation only closes a bracket.
func closesFlow(line string, indent int) bool {
	return indentOf(line) == indent && strings.ContainsAny(line[indent:min(indent+1, len(line))], "]})")
}

// add keeps a comment of line n that its opening signs precede at byte opened.
func (l *textLines) add(n, opened, from, to int) {
	line := l.text.Line(n)
	l.comments = append(l.comments, comment{line: n, from: from, to: to, alone: strings.TrimSpace(line[:opened]) == ""})
}

// mark notes whether line n holds code: something before byte at.
func (l *textLines) mark(n int, line string, at int) {
	l.code[n] = strings.Trim(line[:at], " \t\r\ufeff") != ""
}

// env reads an env file. A commented declaration is code: findings are about it.
func (l *textLines) env(file *recipe.EnvFile) {
	vars := file.Vars()
	slices.SortStableFunc(vars, func(a, b recipe.EnvVar) int { return a.Range.Start.Line - b.Range.Start.Line })
	for n := 1; n <= l.text.Lines(); n++ {
		for len(vars) > 0 && vars[0].Range.End.Line < n {
			vars = vars[1:]
		}
		line := l.text.Line(n)
		from := 0
		if len(vars) > 0 && vars[0].Range.Start.Line <= n {
			l.code[n] = true
			if n < vars[0].ValueRange.End.Line {
				continue // the value goes on
			}
			from = byteAt(line, vars[0].ValueRange.End.Column)
		}
		if at := hashFrom(line, from); at >= 0 {
			l.add(n, at, at+1, len(line))
			l.code[n] = l.code[n] || strings.Trim(line[:at], " \t\ufeff") != ""
			continue
		}
		l.code[n] = l.code[n] || strings.TrimSpace(line) != ""
	}
}

// byteAt is the byte of a line that stands at a column.
func byteAt(line string, column int) int {
	for at := range line {
		if column--; column < 1 {
			return at
		}
	}
	return len(line)
}

// hashFrom is the first # of a line from a byte on that opens a comment: at the
// start, or behind a blank. -1 without one.
func hashFrom(line string, from int) int {
	for at := from; at < len(line); at++ {
		if line[at] == '#' && (strings.Trim(line[:at], "\ufeff") == "" || line[at-1] == ' ' || line[at-1] == '\t') {
			return at
		}
	}
	return -1
}

// shell reads a script. Quotes count within a line; what stands in a here
// document is taken for the script's own.
func (l *textLines) shell() {
	for n := 1; n <= l.text.Lines(); n++ {
		line := l.text.Line(n)
		at := shellComment(line)
		if at < 0 {
			l.mark(n, line, len(line))
			continue
		}
		l.add(n, at, at+1, len(line))
		l.mark(n, line, at)
	}
}

func shellComment(line string) int {
	var quote byte
	for at := 0; at < len(line); at++ {
		switch b := line[at]; {
		case b == '\\' && quote != '\'':
			at++
		case quote != 0:
			if b == quote {
				quote = 0
			}
		case b == '"' || b == '\'':
			quote = b
		case b == '#' && (at == 0 || strings.IndexByte(" \t;", line[at-1]) >= 0):
			return at
		}
	}
	return -1
}
