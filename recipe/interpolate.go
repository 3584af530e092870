package recipe

import (
	"fmt"
	"strings"
)

// Variable is one ${…} or $NAME in a string, as the compose specification's
// "Interpolation" section writes them. Offsets are bytes of that string.
type Variable struct {
	Name string
	// Operator is "", ":-", "-", ":?", "?", ":+" or "+"; Argument is what stands
	// behind it, not yet expanded: it may hold variables of its own.
	Operator, Argument string
	Start, End         int // of the whole, "$" to "}"
	ArgStart           int // where Argument starts
}

// Default is the variable's fallback and whether it has one.
func (v Variable) Default() (string, bool) {
	return v.Argument, v.Operator == ":-" || v.Operator == "-"
}

// Variables lists the variables of s from left to right, those in defaults
// after the one they stand in. "$$" is an escaped dollar, not a variable. What
// starts like a variable and is none is reported by Expand, and left out here.
func Variables(s string) []Variable {
	var found []Variable
	variables(s, 0, 0, &found)
	return found
}

// maxNesting bounds defaults within defaults.
const maxNesting = 16

func variables(s string, base, depth int, found *[]Variable) {
	if depth > maxNesting {
		return
	}
	for i := 0; i < len(s); {
		v, size, err := variableAt(s[i:])
		if size == 0 {
			i++
			continue
		}
		if v.Name != "" && err == nil {
			v.Start, v.End, v.ArgStart = v.Start+base+i, v.End+base+i, v.ArgStart+base+i
			*found = append(*found, v)
			if v.Argument != "" {
				variables(v.Argument, v.ArgStart, depth+1, found)
			}
		}
		i += size
	}
}

// variableAt reads the variable or escape at the start of s. size is how much
// of s it takes, 0 when there is none; an escape has no name.
func variableAt(s string) (v Variable, size int, err error) {
	if len(s) < 2 || s[0] != '$' {
		return v, 0, nil
	}
	if s[1] == '$' {
		return v, 2, nil
	}
	if n := nameLen(s[1:]); n > 0 {
		return Variable{Name: s[1 : 1+n], End: 1 + n, ArgStart: 1 + n}, 1 + n, nil
	}
	if s[1] != '{' {
		return v, 0, nil
	}
	end, nested := closingBrace(s)
	if nested > maxNesting+1 {
		return v, len(s), fmt.Errorf("defaults are nested deeper than %d", maxNesting)
	}
	if end < 0 {
		return v, 2, fmt.Errorf("%q has no closing brace", shorten(s))
	}
	n := nameLen(s[2:end])
	rest := s[2+n : end]
	v = Variable{Name: s[2 : 2+n], End: end + 1, ArgStart: end}
	for _, op := range []string{":-", ":?", ":+", "-", "?", "+"} {
		if strings.HasPrefix(rest, op) {
			v.Operator, v.Argument, v.ArgStart = op, rest[len(op):], 2+n+len(op)
			rest = ""
		}
	}
	if n == 0 || rest != "" {
		return v, end + 1, fmt.Errorf("%q is no variable; expected ${NAME} or ${NAME:-default}", shorten(s[:end+1]))
	}
	return v, end + 1, nil
}

// closingBrace is the brace that ends the variable s starts with, nested ones
// counted, or -1, and how deep the nesting went. It looks no further than one
// level below what is followed.
func closingBrace(s string) (at, deepest int) {
	depth := 1
	for i := 2; i < len(s); i++ {
		switch {
		case s[i] == '{': // of a variable or not: a default may be JSON
			depth++
			if deepest = max(deepest, depth); deepest > maxNesting+1 {
				return -1, deepest
			}
			i++ // as compose-go does: "{}" opens, and closes with the next brace
		case s[i] == '}':
			if depth--; depth == 0 {
				return i, deepest
			}
		}
	}
	return -1, deepest
}

func nameLen(s string) int {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return i
		}
	}
	return len(s)
}

func shorten(s string) string {
	s = s[:min(len(s), 200)]
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

// Lookup gives a variable's value and whether it is set.
type Lookup func(name string) (string, bool)

// MapLookup looks variables up in m.
func MapLookup(m map[string]string) Lookup {
	return func(name string) (string, bool) {
		value, ok := m[name]
		return value, ok
	}
}

// Expand replaces the variables of s as compose does: an unset variable without
// a default is empty. It fails on text that is no variable, and on a required
// variable (${X:?why}) without a value.
func Expand(s string, lookup Lookup) (string, error) { return expand(s, lookup, 0) }

func expand(s string, lookup Lookup, depth int) (string, error) {
	if !strings.Contains(s, "$") {
		return s, nil
	}
	if depth > maxNesting {
		return "", fmt.Errorf("defaults are nested deeper than %d", maxNesting)
	}
	var out strings.Builder
	for i := 0; i < len(s); {
		v, size, err := variableAt(s[i:])
		switch {
		case err != nil:
			return "", err
		case size == 0:
			out.WriteByte(s[i])
			i++
			continue
		case v.Name == "":
			out.WriteByte('$')
		default:
			value, err := v.expand(lookup, depth)
			if err != nil {
				return "", err
			}
			out.WriteString(value)
		}
		i += size
	}
	return out.String(), nil
}

func (v Variable) expand(lookup Lookup, depth int) (string, error) {
	value, set := lookup(v.Name)
	full := set
	if strings.HasPrefix(v.Operator, ":") {
		full = set && value != ""
	}
	switch strings.TrimPrefix(v.Operator, ":") {
	case "-":
		if full {
			return value, nil
		}
		return expand(v.Argument, lookup, depth+1)
	case "+":
		if !full {
			return "", nil
		}
		return expand(v.Argument, lookup, depth+1)
	case "?":
		if !full {
			return "", fmt.Errorf("required variable %q has no value", v.Name)
		}
	}
	return value, nil
}
