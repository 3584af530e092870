package recipe

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// Environ gives the active variables their values, $NAME, ${NAME} and
// ${NAME:-default} (and the compose specification's other forms) expanded from
// the earlier variables of the file, then from base, which may be nil. Values in
// single quotes are literal, and \$ is a dollar. The map holds the file's own
// variables only.
//
// A variable without a value expands to "" and is reported with its place.
func (e *EnvFile) Environ(base Lookup) (map[string]string, []EnvProblem) {
	env, total := map[string]string{}, 0
	var problems []EnvProblem
	lookup := func(name string) (string, bool) {
		if value, ok := env[name]; ok {
			return value, true
		}
		if base == nil {
			return "", false
		}
		return base(name)
	}
	for _, l := range e.lines {
		v := l.variable
		if v == nil || v.Commented {
			continue
		}
		x := envExpander{quote: v.Quote, lookup: lookup, report: func(from, to int, message string) {
			problems = append(problems, EnvProblem{Range: e.Text.Range(from, to), Message: message})
		}}
		inner, at := v.Raw, v.valueFrom
		if v.Quote != 0 {
			inner, at = inner[1:len(inner)-1], at+1
		}
		value := x.expand(inner, at, 0)
		if total += len(value); total > maxEnvTotal {
			problems = append(problems, EnvProblem{Range: v.Range, Message: fmt.Sprintf("the values are longer than %d bytes together; the rest is not read", maxEnvTotal)})
			break
		}
		env[v.Name] = value
	}
	return env, problems
}

// EnvironStrict is Environ for whoever must not go on with a guess: any variable
// without a value is an error, and so is any line that could not be read.
func (e *EnvFile) EnvironStrict(base Lookup) (map[string]string, error) {
	env, problems := e.Environ(base)
	var all []error
	for _, p := range append(append([]EnvProblem{}, e.problems...), problems...) {
		all = append(all, p)
	}
	if err := errors.Join(all...); err != nil {
		return nil, fmt.Errorf("reading %s: %w", e.Text.Path, err)
	}
	return env, nil
}

// unquoteEnv is a raw value without its quotes and escapes.
func unquoteEnv(raw string, quote byte) string {
	if quote != 0 {
		raw = raw[1 : len(raw)-1]
	}
	return (&envExpander{quote: quote}).expand(raw, 0, 0)
}

// maxEnvValue is the longest value after expansion, in bytes: Linux passes no
// longer string to a process (MAX_ARG_STRLEN). It also ends A=$B$B, B=$C$C, ….
const maxEnvValue = 128 << 10

// maxEnvTotal bounds the values of a file together, in bytes; a process gets at
// most 6 MiB of them (execve(2), "Limits on size of arguments and environment").
const maxEnvTotal = 6 << 20

// maxEnvProblems bounds what one declaration is told.
const maxEnvProblems = 100

// envExpander removes escapes and, with a lookup, expands variables in one pass:
// in two passes an escaped dollar would become a variable.
type envExpander struct {
	quote    byte
	lookup   Lookup
	report   func(from, to int, message string)
	reported int
	full     bool // the value has reached maxEnvValue
}

// expand reads s, which stands at the byte offset at. A CRLF inside a value is
// a LF: a file with either means the same.
func (x *envExpander) expand(s string, at, depth int) string {
	if x.quote == '\'' {
		return strings.ReplaceAll(s, "\r\n", "\n")
	}
	var out strings.Builder
	for i := 0; i < len(s) && !x.full; {
		size := 0
		switch {
		case s[i] == '\\':
			size = x.escape(&out, s[i:])
		case s[i] == '$' && x.lookup != nil:
			size = x.variable(&out, s[i:], at+i, depth)
		case strings.HasPrefix(s[i:], "\r\n"):
			i++
		}
		if size == 0 {
			out.WriteByte(s[i])
			size = 1
		}
		if i += size; x.lookup != nil && out.Len() > maxEnvValue {
			x.problem(at, at+len(s), fmt.Sprintf("the value is longer than %d bytes", maxEnvValue))
			x.full = true
		}
	}
	return out.String()[:min(out.Len(), x.limit())]
}

func (x *envExpander) limit() int {
	if x.lookup == nil {
		return math.MaxInt
	}
	return maxEnvValue
}

func (x *envExpander) problem(from, to int, message string) {
	if x.reported++; x.reported <= maxEnvProblems {
		x.report(from, to, message)
	}
}

// escape writes what the escape at the start of s stands for and returns its
// size, 0 when the backslash is just a backslash.
func (x *envExpander) escape(out *strings.Builder, s string) int {
	if len(s) < 2 || x.quote == 0 && s[1] != '$' {
		return 0
	}
	switch s[1] {
	case '$', '"', '\\', '`':
		out.WriteByte(s[1])
	case 'n':
		out.WriteByte('\n')
	case 'r':
		out.WriteByte('\r')
	case 't':
		out.WriteByte('\t')
	case '\n': // the line goes on
	case '\r':
		if !strings.HasPrefix(s[2:], "\n") {
			return 0
		}
		return 3
	default:
		return 0
	}
	return 2
}

func (x *envExpander) variable(out *strings.Builder, s string, at, depth int) int {
	v, size, err := variableAt(s)
	if err != nil {
		x.problem(at, at+size, err.Error())
		out.WriteString(s[:size])
		return size
	}
	if v.Name == "" { // "$$" is two dollars here, unlike in a compose file: bcrypt hashes hold them
		return 0
	}
	value, set := x.lookup(v.Name)
	if !set {
		value = ""
	}
	full := set && (value != "" || !strings.HasPrefix(v.Operator, ":"))
	switch strings.TrimPrefix(v.Operator, ":") {
	case "-":
		if !full {
			value = x.argument(v, at, depth)
		}
	case "+":
		value = ""
		if full {
			value = x.argument(v, at, depth)
		}
	case "?":
		if !full {
			x.problem(at, at+size, fmt.Sprintf("required variable %q has no value", v.Name))
		}
	default:
		if !set {
			x.problem(at, at+size, fmt.Sprintf("variable %q is not set; expected it earlier in this file", v.Name))
		}
	}
	out.WriteString(value)
	return size
}

func (x *envExpander) argument(v Variable, at, depth int) string {
	if depth >= maxNesting {
		x.problem(at, at+v.End, fmt.Sprintf("defaults are nested deeper than %d", maxNesting))
		return ""
	}
	return x.expand(v.Argument, at+v.ArgStart, depth+1)
}
