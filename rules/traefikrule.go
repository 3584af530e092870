package rules

import (
	"fmt"
	"strings"
)

// ruleMatchers are the functions of traefik's rules, of versions 2 and 3, in
// lower case as traefik compares them.
var ruleMatchers = map[string]bool{
	"host": true, "hostheader": true, "hostregexp": true, "path": true, "pathprefix": true, "pathregexp": true,
	"method": true, "headers": true, "headersregexp": true, "header": true, "headerregexp": true,
	"query": true, "queryregexp": true, "clientip": true, "hostsni": true, "hostsniregexp": true, "alpn": true,
}

// ruleError is what traefik cannot read in a rule.
type ruleError struct {
	from, to int // bytes of the rule
	text     string
	quote    bool // a value between quotes that traefik does not know
}

// ruleReader goes over a rule. Variables are taken for text that may be
// anything, quotes and operators included, so that only what is certainly wrong
// is said.
type ruleReader struct {
	rule  string
	at    int
	depth int // of open brackets
	vague bool
}

// readTraefikRule finds the first thing in a rule that traefik cannot read.
func readTraefikRule(rule string) (ruleError, bool) {
	r := &ruleReader{rule: rule}
	for r.at < len(rule) {
		c := rule[r.at]
		switch {
		case c == '$':
			r.variable()
		case c == '(':
			r.depth++
			r.at++
		case c == ')':
			if r.depth--; r.depth < 0 && !r.vague {
				return ruleError{r.at, r.at + 1, `")" closes nothing`, false}, true
			}
			r.at++
		case ruleLetter(c):
			if wrong, bad := r.matcher(); bad {
				return wrong, true
			}
		default:
			r.at++
		}
	}
	if r.depth > 0 && !r.vague {
		open := strings.IndexByte(rule, '(')
		return ruleError{open, open + 1, `"(" is never closed`, false}, true
	}
	return ruleError{}, false
}

func ruleLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// variable steps over a variable outside of quotes.
func (r *ruleReader) variable() {
	r.vague = true
	rest := r.rule[r.at:]
	if !strings.HasPrefix(rest, "${") {
		r.at++
		for r.at < len(r.rule) && (ruleLetter(r.rule[r.at]) || r.rule[r.at] == '_') {
			r.at++
		}
		return
	}
	depth := 0
	for i := 0; i < len(rest); i++ {
		switch {
		case strings.HasPrefix(rest[i:], "${"):
			depth++
		case rest[i] == '}':
			if depth--; depth == 0 {
				r.at += i + 1
				return
			}
		}
	}
	r.at = len(r.rule)
}

// matcher reads a function's name and its values.
func (r *ruleReader) matcher() (ruleError, bool) {
	from := r.at
	for r.at < len(r.rule) && ruleLetter(r.rule[r.at]) {
		r.at++
	}
	name := r.rule[from:r.at]
	rest := strings.TrimLeft(r.rule[r.at:], " ")
	switch {
	case strings.HasPrefix(rest, "$"):
		return ruleError{}, false
	case strings.HasPrefix(rest, ":"):
		return ruleError{from, len(r.rule), fmt.Sprintf("%q is how traefik 1 wrote it; expected %s(`…`)", shorten(r.rule[from:]), name), false}, true
	case !strings.HasPrefix(rest, "("):
		if strings.Trim(r.rule, " ") == name || r.depth == 0 {
			return ruleError{from, r.at, fmt.Sprintf("%q stands alone; expected a function such as Host(`…`)", name), false}, true
		}
		return ruleError{}, false
	case !ruleMatchers[strings.ToLower(name)]:
		return ruleError{from, r.at, fmt.Sprintf("traefik has no function %q; expected one such as Host, PathPrefix or HostSNI", name), false}, true
	}
	r.at += strings.IndexByte(r.rule[r.at:], '(') + 1
	return r.values(name)
}

// values reads what stands between a function's brackets.
func (r *ruleReader) values(name string) (ruleError, bool) {
	open := r.at - 1
	for r.at < len(r.rule) {
		switch c := r.rule[r.at]; c {
		case ' ', ',':
			r.at++
		case ')':
			r.at++
			return ruleError{}, false
		case '$':
			r.variable()
		case '`', '"':
			end := closingQuote(r.rule[r.at:], c)
			if end < 0 {
				return ruleError{r.at, r.at + 1, fmt.Sprintf("the quote %c before %q is never closed", c, shorten(r.rule[r.at+1:])), false}, true
			}
			r.at += end + 1
		default:
			end := r.at
			for end < len(r.rule) && r.rule[end] != ')' && r.rule[end] != ',' {
				end++
			}
			value := strings.TrimRight(r.rule[r.at:end], " ")
			if r.vague && c != '\'' {
				r.at = end
				continue
			}
			quoted := len(value) > 1 && c == '\'' && value[len(value)-1] == '\''
			return ruleError{r.at, r.at + len(value), fmt.Sprintf("%s(%s) has no backticks; expected %s(`%s`)", name, shorten(value), name, shorten(strings.Trim(value, "'"))), quoted || c != '\''}, true
		}
	}
	if r.vague {
		return ruleError{}, false
	}
	return ruleError{open, open + 1, fmt.Sprintf(`"(" behind %s is never closed`, name), false}, true
}

// closingQuote is where the quote that text starts with is closed, or -1. The
// values of "…" may hold escaped quotes.
func closingQuote(text string, quote byte) int {
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quote == '"':
			i++
		case text[i] == quote:
			return i
		}
	}
	return -1
}
