package recipe

import (
	"fmt"

	"strconv"
	"strings"
)

// Readme is what a recipe's README says of it: the title, the paragraph below
// it, and the metadata block.
type Readme struct {
	Text  *Text
	Title string // the first heading of level 1, as plain text
	// Description is the first paragraph or quote below the title and above the
	// next heading, as plain text on one line; lists, badges and code are none.
	Description string
	Metadata    *Metadata // nil without the block
}

// Metadata is the block between <!-- metadata --> and <!-- endmetadata -->.
type Metadata struct {
	Range    Range // the markers included
	Fields   []Field
	Problems []Problem // lines that are no fields; a block that is not closed
}

// Field is one "* **Key**: value". The value is as written; the methods of
// Metadata read the known ones.
type Field struct {
	Key, Value string
	// ValueRange is empty and stands behind the colon when there is no value.
	KeyRange, ValueRange, Range Range
}

// ImageClaim is what the field Image says: [`name`](url), rating, source.
type ImageClaim struct {
	Name, URL string
	// Rating is "1" (our own image) to "4" (official upstream image), or another
	// number as written; "" when it is missing or an emoji. The emoji of older
	// recipes count the other way round, ❶ being best: they are not translated.
	Rating string
	Source string // "upstream", …
}

var (
	openMarker  = lazy(`(?i)^\s*<!--\s*metadata\s*-->\s*$`)
	closeMarker = lazy(`(?i)^\s*<!--\s*endmetadata\s*-->\s*$`)
	// The key may be bold with the colon inside or outside, or not bold at all.
	fieldLine = lazy(`^\s*(?:[*+-]\s+)?(?:\*\*|__)?\s*([\p{L}][^:*_]*?)\s*(?::(?:\*\*|__)|(?:\*\*|__)?\s*:)[ \t]*(.*?)[ \t]*$`)
)

// parseMetadata reads the block that starts at a line, and gives the line after it.
func parseMetadata(t *Text, start int) (*Metadata, int) {
	m := &Metadata{}
	for n := start + 1; n <= t.Lines(); n++ {
		line := t.Line(n)
		switch {
		case closeMarker().MatchString(line):
			m.Range = lineSpan(t, start, n)
			return m, n + 1
		case isHeading(line): // a block that runs on takes the document with it
			return m.unclosed(t, start, n-1), n
		case strings.TrimSpace(line) == "":
		default:
			m.field(t, n, line)
		}
	}
	return m.unclosed(t, start, t.Lines()), t.Lines() + 1
}

func (m *Metadata) unclosed(t *Text, start, end int) *Metadata {
	m.Range = lineSpan(t, start, end)
	m.Problems = append(m.Problems, Problem{Range: t.LineRange(start), Message: `the metadata block is not closed; expected "<!-- endmetadata -->"`})
	return m
}

func (m *Metadata) field(t *Text, n int, line string) {
	at := fieldLine().FindStringSubmatchIndex(line)
	if at == nil || strings.IndexByte("*-+_", strings.TrimSpace(line)[0]) < 0 { // neither bullet nor bold: prose
		message := fmt.Sprintf("%q is no metadata; expected \"* **Key**: value\"", shorten(strings.TrimSpace(line)))
		m.Problems = append(m.Problems, Problem{Range: t.LineRange(n), Message: message})
		return
	}
	offset := t.Offset(Position{Line: n, Column: 1})
	m.Fields = append(m.Fields, Field{
		Key: line[at[2]:at[3]], Value: line[at[4]:at[5]],
		KeyRange:   t.Range(offset+at[2], offset+at[3]),
		ValueRange: t.Range(offset+at[4], offset+at[5]),
		Range:      t.LineRange(n),
	})
}

func lineSpan(t *Text, from, to int) Range {
	return Range{File: t.Path, Start: t.LineRange(from).Start, End: t.LineRange(to).End}
}

// Get finds a field by its key, in any case. The first one counts.
func (m *Metadata) Get(key string) (Field, bool) {
	if m == nil {
		return Field{}, false
	}
	for _, f := range m.Fields {
		if strings.EqualFold(f.Key, key) {
			return f, true
		}
	}
	return Field{}, false
}

func (m *Metadata) value(key string) string {
	f, _ := m.Get(key)
	return f.Value
}

// Category, Healthcheck, Backups, Email, Tests and SSO are the fields' values
// as written, "" when missing.
func (m *Metadata) Category() string    { return m.value("Category") }
func (m *Metadata) Healthcheck() string { return m.value("Healthcheck") }
func (m *Metadata) Backups() string     { return m.value("Backups") }
func (m *Metadata) Email() string       { return m.value("Email") }
func (m *Metadata) Tests() string       { return m.value("Tests") }
func (m *Metadata) SSO() string         { return m.value("SSO") }

// MaxStatus is the best status: everything works, single sign-on included.
const MaxStatus = 5

// Status is the number that the field starts with, 0 to 5; ok is false when
// there is no such number, as with the emoji of older recipes.
func (m *Metadata) Status() (status int, ok bool) {
	number, _ := splitStatus(m.value("Status"))
	status, err := strconv.Atoi(number)
	if err != nil || status > MaxStatus {
		return 0, false
	}
	return status, true
}

// StatusText is what follows the number and a comma, such as "stable", or all
// of the field when it starts with no number.
func (m *Metadata) StatusText() string {
	_, text := splitStatus(m.value("Status"))
	return text
}

func splitStatus(value string) (number, text string) {
	number, text, _ = strings.Cut(value, ",")
	if number = strings.TrimSpace(number); !isDigits(number) {
		return "", value
	}
	return number, strings.TrimSpace(text)
}

var markdownLink = lazy(`^\[([^\]]*)\]\(\s*<?([^)\s>]*)>?[^)]*\)`)

// Image reads the field Image; parts that are missing or malformed are "". The
// name keeps a template's placeholder such as ${REPO_NAME}.
func (m *Metadata) Image() ImageClaim {
	value := m.value("Image")
	var claim ImageClaim
	if link := markdownLink().FindStringSubmatch(value); link != nil {
		claim.Name, claim.URL = strings.Trim(link[1], "` "), link[2]
		value = value[len(link[0]):]
	} else {
		name, rest, _ := strings.Cut(value, ",")
		claim.Name, value = strings.Trim(name, "` "), rest
	}
	for _, part := range strings.Split(value, ",") {
		switch part = strings.TrimSpace(part); {
		case isDigits(part) && claim.Rating == "":
			claim.Rating = part
		case claim.Source == "" && startsWithLetter(part):
			claim.Source = part
		}
	}
	return claim
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func startsWithLetter(s string) bool { return nameLen(s[:min(1, len(s))]) == 1 }
