package rules

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/galley-coop/galley/recipe"
)

// issue is one thing that a schema finds in a document.
type issue struct {
	path []string // of the value, or of the unknown key
	key  bool     // the key is wrong, not its value
	text string   // what is wrong, without the place: "expected a list, got …"
	at   recipe.Range
}

// where names a place in words: "services.app.ports.0", "the top level".
func where(path []string) string {
	if len(path) == 0 {
		return "the top level"
	}
	return strings.Join(path, ".")
}

// inside is where with a word before it: "in services.app", "at the top level".
func inside(path []string) string {
	if len(path) == 0 {
		return "at the top level"
	}
	return "in " + where(path)
}

// message is the issue in one line.
func (i issue) message() string {
	if i.key {
		return i.text
	}
	return where(i.path) + ": " + i.text
}

// node is the issue's place, or the deepest thing above it that is there.
func (i issue) node(d *recipe.Document) recipe.Node {
	n := d.Root()
	for _, step := range i.path {
		next := n.Get(step)
		if !next.Exists() {
			return n
		}
		n = next
	}
	return n
}

// place is where the issue points: the whole line where key and value are empty.
func (i issue) place(d *recipe.Document) recipe.Range {
	n := i.node(d)
	r := place(n)
	if i.key {
		r = n.KeyRange()
	}
	if r.Start == r.End {
		return d.Text.LineRange(r.Start.Line)
	}
	return r
}

// hides tells whether one issue says enough for the other: it is at the same
// place, above it or below it.
func (i issue) hides(other issue) bool {
	n := min(len(i.path), len(other.path))
	return n > 0 && slices.Equal(i.path[:n], other.path[:n])
}

// maxIssues bounds what is said of one document. A file with more has one
// trouble, and not a thousand.
const maxIssues = 1000

// settle gives issues their places, in the order of which they are then, and
// keeps one of those that say the same of the same text: a block behind an
// anchor is found wherever it is used, and is wrong once.
func settle(d *recipe.Document, issues []issue) []issue {
	slices.SortFunc(issues, func(a, b issue) int {
		return cmp.Or(slices.Compare(a.path, b.path), strings.Compare(a.text, b.text))
	})
	issues = issues[:min(len(issues), maxIssues)]
	for i := range issues {
		issues[i].at = issues[i].place(d)
	}
	slices.SortStableFunc(issues, func(a, b issue) int {
		return cmp.Or(cmp.Compare(a.at.Start.Line, b.at.Start.Line), cmp.Compare(a.at.Start.Column, b.at.Start.Column))
	})
	type said struct {
		at   recipe.Position
		text string
	}
	seen := map[said]bool{}
	return slices.DeleteFunc(issues, func(i issue) bool {
		s := said{i.at.Start, i.text}
		again := seen[s]
		seen[s] = true
		return again
	})
}

// reset tells whether compose's !reset stands on a value: the value itself then
// does not count, whatever its type.
func reset(n recipe.Node) bool {
	if n.Key() == "" || n.Document() == nil {
		return false
	}
	text := n.Document().Text
	from, to := text.Offset(n.KeyRange().End), text.Offset(n.Range().Start)
	if from < 0 || to < from {
		return false
	}
	// An empty value stands where its tag does, any other one behind it.
	tag := []byte("!reset")
	return bytes.Contains(text.Bytes[from:to], tag) || bytes.HasPrefix(text.Bytes[to:], tag)
}

// variable tells whether a scalar's value is only known once variables are
// filled in.
func variable(n recipe.Node) bool {
	return n.IsScalar() && strings.Contains(n.Text(), "$") && len(recipe.Variables(n.Text())) > 0
}

// kindWords are the JSON types in words.
var kindWords = map[string]string{
	"object": "a mapping", "array": "a list", "string": "a string", "number": "a number",
	"integer": "a whole number", "boolean": "true or false", "null": "nothing",
}

// kindOrder is the order in which types are named.
var kindOrder = []string{"string", "integer", "number", "boolean", "array", "object", "null"}

// expectedKinds says which types were expected.
func expectedKinds(types []string) string {
	var words []string
	for _, kind := range kindOrder {
		if slices.Contains(types, kind) && (kind != "integer" || !slices.Contains(types, "number")) && (kind != "null" || len(types) == 1) {
			words = append(words, kindWords[kind])
		}
	}
	return either(words)
}

// gotValue says what stands there instead.
func gotValue(n recipe.Node) string {
	switch {
	case n.IsMap():
		return "a mapping"
	case n.IsList():
		return "a list"
	case !n.Exists(), n.IsNull():
		return "nothing"
	case n.IsString():
		return fmt.Sprintf("the string %q", shorten(n.Text()))
	}
	switch n.Any().(type) {
	case bool:
		return fmt.Sprintf("the boolean %q", n.Text())
	case int, int64, uint64, float64:
		return fmt.Sprintf("the number %q", n.Text())
	}
	return fmt.Sprintf("%q", shorten(n.Text()))
}
