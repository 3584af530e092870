package recipe

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

const byteOrderMark = "\ufeff"

// ParseEnv reads an env file. It never fails: a line that it cannot read is kept
// and listed in Problems.
func ParseEnv(text *Text) *EnvFile {
	p := &envParser{file: &EnvFile{Text: text}, text: string(text.Bytes)}
	at := 0
	if strings.HasPrefix(p.text, byteOrderMark) {
		at = len(byteOrderMark)
	}
	for at < len(p.text) {
		line := p.line(at)
		p.file.lines = append(p.file.lines, line)
		at = p.nextLine(line.to)
	}
	for _, secret := range p.secrets {
		p.file.problems = append(p.file.problems, checkSecret(secret)...)
	}
	sortProblems(p.file.problems)
	return p.file
}

type envParser struct {
	file    *EnvFile
	text    string
	secrets []EnvVar
}

// lineEnd is where the line that holds at ends, before its CR or LF.
func (p *envParser) lineEnd(at int) int {
	end := len(p.text)
	if n := strings.IndexByte(p.text[at:], '\n'); n >= 0 {
		end = at + n
	}
	if end > at && p.text[end-1] == '\r' {
		return end - 1
	}
	return end
}

// nextLine is where the line after the one that ends at end starts.
func (p *envParser) nextLine(end int) int {
	n := strings.IndexByte(p.text[end:], '\n')
	if n < 0 {
		return len(p.text)
	}
	return end + n + 1
}

func (p *envParser) skipBlanks(at, end int) int {
	for at < end && (p.text[at] == ' ' || p.text[at] == '\t') {
		at++
	}
	return at
}

func (p *envParser) line(from int) envLine {
	l := envLine{from: from, to: p.lineEnd(from)}
	at := p.skipBlanks(from, l.to)
	l.at = at
	switch {
	case at == l.to:
		return l
	case p.text[at] == '#':
		l.kind = lineComment
		p.commented(&l, at)
		return l
	}
	p.declaration(&l, at)
	return l
}

// declaration reads "[export ]NAME=value [# comment]" at an offset behind blanks.
func (p *envParser) declaration(l *envLine, at int) {
	v := EnvVar{}
	nameFrom := at
	nameFrom, v.Export = p.skipExport(at, l.to)
	nameTo := nameFrom + nameLen(p.text[nameFrom:l.to])
	equals := p.skipBlanks(nameTo, l.to)
	if nameTo == nameFrom || equals == l.to || p.text[equals] != '=' {
		p.unreadable(l, at, l.to, "%q is no declaration; expected NAME=value or a comment", shorten(p.text[at:l.to]))
		return
	}
	v.Name = p.text[nameFrom:nameTo]
	if problem := p.value(&v, equals+1, &l.to); problem != "" {
		p.unreadable(l, equals+1, p.lineEnd(at), "%s %s", v.Name, problem)
		l.to = p.lineEnd(at)
		return
	}
	if equals > nameTo || v.Raw != "" && v.valueFrom > equals+1 {
		p.problem(nameFrom, max(equals+1, v.valueFrom), "blanks around the \"=\" of %s: shells read this as a command; expected %s=value", v.Name, v.Name)
	}
	v.Value = unquoteEnv(v.Raw, v.Quote)
	p.finish(l, v, at, nameFrom)
}

// commented reads "# NAME=value" as a declaration. Prose stays a comment: the
// name must stand right before its "=", and "##" never declares.
func (p *envParser) commented(l *envLine, at int) {
	nameFrom, export := p.skipExport(p.skipBlanks(at+1, l.to), l.to)
	nameTo := nameFrom + nameLen(p.text[nameFrom:l.to])
	if nameTo == nameFrom || nameTo == l.to || p.text[nameTo] != '=' {
		return
	}
	v := EnvVar{Name: p.text[nameFrom:nameTo], Export: export, Commented: true}
	if problem := p.value(&v, nameTo+1, &l.to); problem != "" {
		p.plain(&v, nameTo+1, l.to)
	}
	p.finish(l, v, at, nameFrom)
}

func (p *envParser) skipExport(at, end int) (int, bool) {
	const word = "export"
	if !strings.HasPrefix(p.text[at:end], word) {
		return at, false
	}
	name := p.skipBlanks(at+len(word), end)
	if name == at+len(word) || nameLen(p.text[name:end]) == 0 {
		return at, false
	}
	return name, true
}

func (p *envParser) finish(l *envLine, v EnvVar, at, nameFrom int) {
	t := p.file.Text
	v.NameRange = t.Range(nameFrom, nameFrom+len(v.Name))
	v.ValueRange = t.Range(v.valueFrom, v.valueTo)
	v.Range = t.Range(at, l.to)
	l.kind, l.variable = lineVar, &v
	if isSecretVariable(v.Name) {
		p.secrets = append(p.secrets, v)
	}
}

// value reads the value at an offset right behind the "=", and moves end along
// when a quoted value goes on over the next lines. It says what is wrong with one
// that cannot be read.
func (p *envParser) value(v *EnvVar, at int, end *int) string {
	from := p.skipBlanks(at, *end)
	if from == *end || p.text[from] != '"' && p.text[from] != '\'' {
		p.plain(v, at, *end)
		return ""
	}
	closing := p.closingQuote(from, v.Commented)
	if closing < 0 {
		return "has no closing " + string(p.text[from])
	}
	last := p.lineEnd(closing)
	rest := p.skipBlanks(closing+1, last)
	switch {
	case rest == last:
	case p.text[rest] == '#' && rest > closing+1:
		p.comment(v, rest, last)
	case last != *end:
		return "has no closing " + string(p.text[from])
	default:
		return fmt.Sprintf("has text behind its closing quote: %q", shorten(p.text[rest:last]))
	}
	v.Quote, v.Raw = p.text[from], p.text[from:closing+1]
	v.valueFrom, v.valueTo = from, closing+1
	*end = last
	return ""
}

// plain reads an unquoted value: to the end of the line, or to a "#" behind a blank.
func (p *envParser) plain(v *EnvVar, at, end int) {
	stop := end
	for i := at + 1; i < end; i++ {
		if p.text[i] == '#' && (p.text[i-1] == ' ' || p.text[i-1] == '\t') {
			p.comment(v, i, end)
			stop = i
			break
		}
	}
	from := p.skipBlanks(at, stop)
	to := from + len(strings.TrimRight(p.text[from:stop], " \t"))
	if from == to {
		from, to = at, at
	}
	v.Quote, v.Raw, v.valueFrom, v.valueTo = 0, p.text[from:to], from, to
}

// closingQuote finds the quote that ends the value starting at from, -1 without
// one. The value may span lines; all of them must be comments when the first is.
//
// A quote that could only open the value of a further declaration does not close
// this one: the file then lacks a quote, and saying so beats swallowing lines.
func (p *envParser) closingQuote(from int, commented bool) int {
	quote, first, start := p.text[from], true, from+1
	for {
		end := p.lineEnd(start)
		for i := start; i < end; i++ {
			switch {
			case quote == '"' && p.text[i] == '\\':
				i++
			case p.text[i] != quote:
			case !first && p.opensValue(start, i):
				return -1
			default:
				return i
			}
		}
		if start = p.nextLine(end); start == len(p.text) {
			return -1
		}
		first = false
		if !commented {
			continue
		}
		if start = p.skipBlanks(start, p.lineEnd(start)); start == len(p.text) || p.text[start] != '#' {
			return -1
		}
		start++
	}
}

// opensValue says whether text[start:quote] is "NAME=" or "export NAME=".
func (p *envParser) opensValue(start, quote int) bool {
	name, _ := p.skipExport(p.skipBlanks(start, quote), quote)
	n := nameLen(p.text[name:quote])
	return n > 0 && p.text[name+n:quote] == "="
}

// comment keeps a trailing comment and reads its modifiers: words of the form
// key=value, separated by blanks, commas or semicolons.
func (p *envParser) comment(v *EnvVar, from, end int) {
	v.Comment = strings.TrimSpace(strings.TrimLeft(p.text[from:end], "#"))
	for at := from; at < end; {
		n := strings.IndexAny(p.text[at:end], " \t,;#")
		if n < 0 {
			n = end - at
		}
		word := p.text[at : at+n]
		if key, value, ok := strings.Cut(word, "="); ok && isModifierKey(key) && len(v.Modifiers) < maxModifiers {
			v.Modifiers = append(v.Modifiers, Modifier{Key: key, Value: value, Range: p.file.Text.Range(at, at+n)})
		}
		at += n + 1
	}
}

// maxModifiers bounds the modifiers of one declaration; a secret has at most three.
const maxModifiers = 16

func isModifierKey(s string) bool {
	return s != "" && nameLen(strings.ReplaceAll(s, "-", "_")) == len(s)
}

func (p *envParser) unreadable(l *envLine, from, to int, format string, args ...any) {
	l.kind = lineOther
	p.problem(from, to, format, args...)
}

func (p *envParser) problem(from, to int, format string, args ...any) {
	p.file.problems = append(p.file.problems, EnvProblem{Range: p.file.Text.Range(from, to), Message: fmt.Sprintf(format, args...)})
}

// sortProblems puts problems in the text's order.
func sortProblems(problems []Problem) {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		x, y := a.Range.Start, b.Range.Start
		return cmp.Or(cmp.Compare(x.Line, y.Line), cmp.Compare(x.Column, y.Column))
	})
}
