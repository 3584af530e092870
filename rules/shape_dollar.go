package rules

import (
	"bytes"
	"strings"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

// dollarKind says what is unusual about a dollar sign in a value.
type dollarKind int

const (
	loneDollar   dollarKind = iota // starts no variable
	badVariable                    // ${…} that is none
	nestedDollar                   // in the default of a variable
	alternative                    // ${X:+y}
	hashDollar                     // the first of a password hash
)

// dollar is a stretch of a value with an unusual dollar sign.
type dollar struct {
	kind     dollarKind
	from, to int
	name     string // the variable's
}

// maxDollars bounds what is said of one value: a file with more has one trouble.
const maxDollars = 20

// dollars lists the unusual dollar signs of a value from left to right, as far as
// the bound. What stands within a default is not looked at again.
func dollars(s string) []dollar {
	var found []dollar
	for i := strings.IndexByte(s, '$'); i >= 0 && i < len(s) && len(found) < maxDollars; {
		size := 1
		switch next := s[i:]; {
		case strings.HasPrefix(next, "$$"):
			size = 2
		case hashLen(next) > 0:
			size = hashLen(next)
			found = append(found, dollar{hashDollar, i, i + size, ""})
		case strings.HasPrefix(next, "${"):
			var d dollar
			var unusual bool
			d, size, unusual = braced(next)
			if unusual {
				d.from, d.to = i, i+size
				found = append(found, d)
			}
		case nameLength(next[1:]) == 0:
			found = append(found, dollar{loneDollar, i, i + 1, ""})
		}
		i += size
		step := strings.IndexByte(s[i:], '$')
		if step < 0 {
			break
		}
		i += step
	}
	return found
}

// braced reads the ${…} at the start of s.
func braced(s string) (d dollar, size int, unusual bool) {
	end := closing(s)
	if end < 0 {
		return dollar{kind: badVariable}, 2, true
	}
	n := nameLength(s[2:end])
	name, rest := s[2:2+n], s[2+n:end]
	operator := strings.TrimPrefix(rest, ":")
	switch {
	case n == 0, rest == ":":
		return dollar{kind: badVariable}, end + 1, true
	case rest == "":
		return d, end + 1, false
	case operator[0] == '+':
		return dollar{kind: alternative, name: name}, end + 1, true
	case operator[0] != '-' && operator[0] != '?':
		return dollar{kind: badVariable}, end + 1, true
	case operator[0] == '-' && strings.IndexByte(operator, '$') >= 0:
		return dollar{kind: nestedDollar, name: name}, end + 1, true
	}
	return d, end + 1, false
}

// closing is the brace that ends the ${ at the start of s, or -1.
func closing(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '{' && i > 0 && s[i-1] == '$':
			depth++
		case s[i] == '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

func nameLength(s string) int {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return i
		}
	}
	return len(s)
}

// hashForms are how crypt(3)'s password hashes start, and how many characters of
// salt and hash follow at least.
var hashForms = []struct {
	start string
	least int
}{
	{"$apr1$", 20}, {"$2a$", 30}, {"$2b$", 30}, {"$2y$", 30}, {"$1$", 20}, {"$5$", 30}, {"$6$", 30}, {"$argon2", 30},
}

// maxHash is longer than any hash of these forms.
const maxHash = 256

// hashLen is the length of the password hash s starts with, 0 for none.
func hashLen(s string) int {
	for _, form := range hashForms {
		if !strings.HasPrefix(s, form.start) {
			continue
		}
		end := len(form.start)
		for end < min(len(s), maxHash) && (s[end] == '.' || s[end] == '/' || s[end] == '$' || s[end] == '=' || s[end] == '+' || isAlphanumeric(s[end])) {
			end++
		}
		if end-len(form.start) >= form.least && !strings.Contains(s[:end], "$$") {
			return end
		}
	}
	return 0
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// mayHave looks for a kind of dollar in a file's text, comments and all, so that
// the values are only walked where there is something to find.
func mayHave(text []byte, kind dollarKind) bool {
	for line := range bytes.Lines(text) {
		if bytes.IndexByte(line, '$') < 0 {
			continue
		}
		for _, d := range dollars(string(line)) {
			if d.kind == kind || d.kind == badVariable {
				return true
			}
		}
	}
	return false
}

// eachDollar calls visit with every unusual dollar of one kind where variables
// are filled in.
func eachDollar(p *lint.Pass, kind dollarKind, visit func(n recipe.Node, d dollar, at recipe.Range)) {
	seen := once{}
	for _, document := range p.Recipe.Documents() {
		if !mayHave(document.Text.Bytes, kind) {
			continue
		}
		for _, part := range interpolated {
			document.Lookup(part).Scalars(func(_ []string, n recipe.Node) {
				if strings.IndexByte(n.Text(), '$') < 0 {
					return
				}
				for _, d := range dollars(n.Text()) {
					if d.kind != kind {
						continue
					}
					if at := dollarPlace(n, d); seen.first(at) {
						visit(n, d, at)
					}
				}
			})
		}
	}
}

// dollarPlace is where a dollar stands, cut at the end of its first line.
func dollarPlace(n recipe.Node, d dollar) recipe.Range {
	r := n.Sub(d.from, d.to)
	if r.End.Line != r.Start.Line {
		r.End = n.Document().Text.LineRange(r.Start.Line).End
	}
	return r
}
