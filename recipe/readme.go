package recipe

import (
	"strings"
)

// ParseReadme reads a README in Markdown. It never fails.
func ParseReadme(text *Text) *Readme {
	r := &Readme{Text: text}
	s := readmeScan{readme: r}
	for n := 1; n <= text.Lines(); {
		line := strings.TrimPrefix(text.Line(n), byteOrderMark)
		switch {
		case s.inFence(line):
		case openMarker().MatchString(line):
			s.endParagraph()
			m, next := parseMetadata(text, n)
			if r.Metadata == nil {
				r.Metadata = m
			}
			n = next
			continue
		default:
			s.line(line, text.Line(n+1))
		}
		n++
	}
	s.endParagraph()
	return r
}

// readmeScan finds the title and the description, line by line.
type readmeScan struct {
	readme    *Readme
	fence     string // what closes the code block that is open
	comment   bool   // inside <!-- … -->
	done      bool   // the part that can hold the description is over
	list      bool   // the last lines are a list's
	paragraph []string
}

// inFence says whether a line belongs to a fenced code block.
func (s *readmeScan) inFence(line string) bool {
	trimmed := strings.TrimSpace(line)
	if s.fence != "" {
		if strings.HasPrefix(trimmed, s.fence) {
			s.fence = ""
		}
		return true
	}
	for _, fence := range []string{"```", "~~~"} {
		if strings.HasPrefix(trimmed, fence) {
			s.endParagraph()
			s.fence = fence
			return true
		}
	}
	return false
}

func (s *readmeScan) line(line, next string) {
	trimmed := strings.TrimSpace(line)
	if s.comment || strings.HasPrefix(trimmed, "<!--") {
		s.comment = !strings.Contains(trimmed, "-->")
		return
	}
	switch {
	case trimmed == "":
		s.endParagraph()
	case isHeading(line):
		s.heading(headingText(trimmed), strings.HasPrefix(trimmed, "# "))
	case setextLevel(next) > 0 && !isListItem(line) && len(s.paragraph) == 0:
		s.heading(trimmed, setextLevel(next) == 1)
	case setextLevel(line) > 0 && len(s.paragraph) == 0:
	case isListItem(line) && len(s.paragraph) == 0:
		s.list = true
	case s.list && len(s.paragraph) == 0 && line != strings.TrimLeft(line, " \t"):
		// the continuation of a list's item
	case s.readme.Title != "" && !s.done && len(s.paragraph) < maxParagraph:
		s.list = false
		s.paragraph = append(s.paragraph, strings.TrimSpace(strings.TrimLeft(trimmed, ">")))
	}
}

// maxParagraph bounds a description, in lines.
const maxParagraph = 50

func (s *readmeScan) heading(text string, first bool) {
	s.endParagraph()
	if s.readme.Title != "" {
		s.done = true
		return
	}
	if first {
		s.readme.Title = plainText(text)
	}
}

func (s *readmeScan) endParagraph() {
	text := plainText(strings.Join(s.paragraph, " "))
	s.paragraph = nil
	if text == "" || s.done { // badges leave nothing
		return
	}
	s.readme.Description, s.done = text, true
}

func isHeading(line string) bool {
	level := len(line) - len(strings.TrimLeft(line, "#"))
	return level > 0 && level <= 6 && (len(line) == level || line[level] == ' ' || line[level] == '\t')
}

func headingText(line string) string {
	return strings.TrimSpace(strings.TrimRight(strings.TrimSpace(strings.TrimLeft(line, "#")), "#"))
}

// setextLevel is 1 for a line of "=", 2 for one of "-", which make the line
// above them a heading.
func setextLevel(line string) int {
	trimmed := strings.TrimSpace(line)
	switch {
	case len(trimmed) < 2:
		return 0
	case strings.Trim(trimmed, "=") == "":
		return 1
	case strings.Trim(trimmed, "-") == "":
		return 2
	}
	return 0
}

var listItem = lazy(`^\s*(?:[*+-]|\d{1,9}[.)])(?:\s|$)`)

func isListItem(line string) bool { return listItem().MatchString(line) }

var (
	markdownBadge  = lazy(`\[!\[[^\]]*\]\([^)]*\)\]\([^)]*\)`)
	markdownImage  = lazy(`!\[[^\]]*\]\([^)]*\)`)
	markdownInline = lazy(`\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])`)
	markdownMarks  = lazy("\\*\\*|__|`|\\*|<((?:https?|mailto):[^>]*)>|<[a-zA-Z/!][^>]*>")
)

// plainText drops Markdown's marks and keeps what they mark.
func plainText(s string) string {
	s = markdownBadge().ReplaceAllString(s, "")
	s = markdownImage().ReplaceAllString(s, "")
	s = markdownInline().ReplaceAllString(s, "$1")
	s = markdownMarks().ReplaceAllString(s, "$1")
	return strings.Join(strings.Fields(strings.ToValidUTF8(s, "\ufffd")), " ")
}
