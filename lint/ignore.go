package lint

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/galley-coop/galley/recipe"
)

// ignoreMark is what a comment starts with that hides findings:
//
//	# galley:ignore R004,S203 reason       on its line
//	# galley:ignore R004 reason            alone: on the next line, and the block that it opens
//	# galley:ignore-file R004 reason       at the top: in the file
//	<!-- galley:ignore R007 reason -->     in Markdown
const (
	ignoreMark = "galley:ignore"
	fileSuffix = "-file"
)

// maxIgnores bounds the comments of one file that hide findings.
const maxIgnores = 1000

// ignore is one such comment.
type ignore struct {
	at     recipe.Range // the mark and the rules' names
	names  []ignoredName
	reason string
	// suffix is what stands behind the mark: "", fileSuffix, or a slip.
	suffix string
	// The lines whose findings it hides. None for a comment for a file that does
	// not stand at its top.
	first, last int
}

// ignoredName is one rule that a comment names.
type ignoredName struct {
	text string
	at   recipe.Range
	used bool
}

func (g *ignore) forFile() bool { return g.suffix == fileSuffix }

// ignores are the comments of one text.
type ignores struct {
	text    *recipe.Text
	list    []ignore
	dropped *recipe.Range // the first comment past maxIgnores
}

// readIgnores finds the comments of a recipe's text that hide findings, nil for
// one without any: nearly all are, so that is found out first.
func readIgnores(r *recipe.Recipe, text *recipe.Text) *ignores {
	if !bytes.Contains(text.Bytes, []byte(ignoreMark)) {
		return nil
	}
	found := &ignores{text: text}
	lines := linesOf(r, text)
	for _, c := range lines.comments {
		g, ok := parseIgnore(text, c)
		if !ok {
			continue
		}
		if len(found.list) == maxIgnores {
			found.dropped = &g.at
			break
		}
		switch {
		case g.forFile():
			if lines.atTop(c.line) {
				g.first, g.last = 1, math.MaxInt
			}
		case g.suffix != "": // a slip hides nothing
		case c.alone:
			g.first, g.last = lines.block(c.line)
		default:
			g.first, g.last = c.line, c.line
		}
		found.list = append(found.list, g)
	}
	return found
}

// hide tells whether a comment hides a finding of the rule that starts at a
// line, and gives its reason. Every comment that does so is in use.
func (i *ignores) hide(rule *Rule, line int) (reason string, hidden bool) {
	for n := range i.list {
		g := &i.list[n]
		if line < g.first || line > g.last {
			continue
		}
		for k := range g.names {
			if closeness(rule, g.names[k].text) < exactly {
				continue
			}
			g.names[k].used = true
			if !hidden || reason == "" {
				reason = g.reason
			}
			hidden = true
		}
	}
	return reason, hidden
}

// parseIgnore reads a comment's text, without the signs that make it one.
func parseIgnore(text *recipe.Text, c comment) (ignore, bool) {
	line := text.Line(c.line)
	s := ignoreScan{text: text, line: line[:c.to], number: c.line, at: c.from}
	s.skip(" \t#")
	start := s.at
	if !strings.HasPrefix(s.line[s.at:], ignoreMark) {
		return ignore{}, false
	}
	s.at += len(ignoreMark)
	g := ignore{suffix: s.word()}
	if g.suffix != "" && g.suffix[0] != '-' {
		return ignore{}, false // a word of its own, such as "ignored"
	}
	end := s.at
	for len(g.names) < maxIgnores {
		s.skip(" \t")
		from := s.at
		name := s.word()
		if name == "" || name[0] == '-' {
			s.at = from
			break
		}
		end = s.at
		g.names = append(g.names, ignoredName{text: name, at: s.rangeOf(from, end)})
		if s.skip(" \t"); !s.take(',') {
			break
		}
	}
	g.at = s.rangeOf(start, end)
	rest := strings.TrimSpace(strings.TrimLeft(s.line[s.at:], " \t:-–—"))
	if strings.ContainsFunc(rest, unicode.IsLetter) {
		g.reason = rest
	}
	return g, true
}

// ignoreScan goes over the bytes of one line.
type ignoreScan struct {
	text   *recipe.Text
	line   string
	number int
	at     int
}

func (s *ignoreScan) skip(chars string) {
	s.at = len(s.line) - len(strings.TrimLeft(s.line[s.at:], chars))
}

func (s *ignoreScan) take(b byte) bool {
	if s.at < len(s.line) && s.line[s.at] == b {
		s.at++
		return true
	}
	return false
}

// word takes letters, digits and hyphens.
func (s *ignoreScan) word() string {
	from := s.at
	for s.at < len(s.line) {
		b := s.line[s.at]
		if !isLetter(b) && b != '-' && (b < '0' || b > '9') {
			break
		}
		s.at++
	}
	return s.line[from:s.at]
}

// rangeOf is where bytes of the line stand.
func (s *ignoreScan) rangeOf(from, to int) recipe.Range {
	column := func(at int) int { return 1 + len([]rune(s.line[:at])) }
	return recipe.Range{
		File:  s.text.Path,
		Start: recipe.Position{Line: s.number, Column: column(from)},
		End:   recipe.Position{Line: s.number, Column: column(to)},
	}
}

// IgnoreRules are the rules about the comments that hide findings. The engine
// itself finds what they report, because only it knows what a comment hid: their
// checks do nothing, and they are rules so that they can be listed, explained,
// given a severity and turned off like any other.
func IgnoreRules() []Rule {
	none := func(*Pass) {}
	return []Rule{
		{ID: ignoreReason, Name: "ignore-reason", Summary: "a comment that hides findings says why", Severity: Error, Check: none},
		{ID: unusedIgnore, Name: "unused-ignore", Summary: "a comment that hides findings has some to hide", Severity: Warning, Check: none},
		{ID: unknownIgnore, Name: "unknown-ignore", Summary: "a comment that hides findings names rules that there are", Severity: Warning, Check: none},
	}
}

const (
	ignoreReason  = "L001"
	unusedIgnore  = "L002"
	unknownIgnore = "L003"
)

// aboutIgnores tells whether a rule is of IgnoreRules. No comment hides its
// findings.
func aboutIgnores(id string) bool {
	return slices.Contains([]string{ignoreReason, unusedIgnore, unknownIgnore}, id)
}
