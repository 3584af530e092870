package rules

import (
	"sort"
	"strings"

	"github.com/galley-coop/galley/recipe"
)

// expansion is a string of a compose file with its variables filled in, and for
// each stretch of the result where it comes from: a rule that dislikes the tag in
// "${IMAGE:-nginx:latest}" can point at "latest".
type expansion struct {
	text  string
	parts []part
}

// part is one stretch of an expansion.
type part struct {
	from, to int // bytes of the expansion's text
	// rawFrom and rawTo are bytes of the string as written: the same text, or the
	// variable when filled is true.
	rawFrom, rawTo   int
	varFrom, varTo   int // the outermost variable around it, both 0 outside of any
	filled           bool
	name             string       // the variable that gave the part, "" for text outside of any
	origin           string       // where its value is from: "the default", ".env.sample", "abra.sh"; "" for none
	at               recipe.Range // where that value stands, beyond the string itself
	unknown, literal bool
}

// values are what variables are filled in with, beside their defaults.
type values struct {
	sample, script map[string]value
	// deployed puts the recipe's values first, as a deploy does; else a variable's
	// default counts more than what the sample happens to say.
	deployed bool
}

type value struct {
	text string
	at   recipe.Range
}

// recipeValues reads the sample's and the script's values. Empty ones say
// nothing: the operator is to fill them in.
func recipeValues(r *recipe.Recipe) values {
	v := values{sample: map[string]value{}, script: map[string]value{}}
	if r.Sample != nil {
		env, _ := r.Sample.Environ(nil)
		for _, declared := range r.Sample.Vars() {
			text := env[declared.Name]
			if declared.Commented {
				text = declared.Sample()
			}
			if _, known := v.sample[declared.Name]; text != "" && (!known || !declared.Commented) {
				v.sample[declared.Name] = value{text, declared.ValueRange}
			}
		}
	}
	if r.Script != nil {
		for _, e := range r.Script.Exports {
			if !e.Dynamic && e.Value != "" {
				v.script[e.Name] = value{e.Value, e.ValueRange}
			}
		}
	}
	return v
}

// placeholder stands for a value that nobody gives. A digit is right in every
// part of an image reference, ports included.
const placeholder = "0"

// maxDepth bounds defaults within defaults.
const maxDepth = 16

func (v values) expand(raw string) expansion {
	x := &expander{values: v, raw: raw, variables: recipe.Variables(raw)}
	x.stretch(0, len(raw), part{}, 0)
	return expansion{text: x.out.String(), parts: x.parts}
}

type expander struct {
	values    values
	raw       string
	variables []recipe.Variable
	out       strings.Builder
	parts     []part
}

// stretch expands the bytes [from, to) of the raw string. inside tells of the
// variable whose default they are.
func (x *expander) stretch(from, to int, inside part, depth int) {
	at := from
	next := sort.Search(len(x.variables), func(i int) bool { return x.variables[i].Start >= from })
	for _, v := range x.variables[next:] {
		if v.Start >= to || depth > maxDepth {
			break
		}
		if v.Start < at || v.End > to {
			continue
		}
		x.literal(at, v.Start, inside)
		x.variable(v, inside, depth)
		at = v.End
	}
	x.literal(at, to, inside)
}

func (x *expander) literal(from, to int, p part) {
	p.rawFrom, p.rawTo, p.literal = from, to, true
	x.add(x.raw[from:to], p)
}

func (x *expander) add(text string, p part) {
	if text == "" && !p.filled {
		return
	}
	p.from = x.out.Len()
	x.out.WriteString(text)
	p.to = x.out.Len()
	x.parts = append(x.parts, p)
}

func (x *expander) variable(v recipe.Variable, inside part, depth int) {
	p := part{varFrom: inside.varFrom, varTo: inside.varTo, name: v.Name, rawFrom: v.Start, rawTo: v.End}
	if p.varTo == 0 {
		p.varFrom, p.varTo = v.Start, v.End
	}
	given, origin := x.given(v.Name)
	_, hasDefault := v.Default()
	alternative := strings.HasSuffix(v.Operator, "+")
	switch {
	case alternative && origin == "":
	case alternative, hasDefault && (origin == "" || !x.values.deployed):
		p.origin = "the default"
		x.stretch(v.ArgStart, v.ArgStart+len(v.Argument), p, depth+1)
	default:
		p.filled, p.origin, p.at, p.unknown = true, origin, given.at, origin == ""
		if p.unknown {
			given.text = placeholder
		}
		x.add(given.text, p)
	}
}

// given is what the recipe's files give a variable, and which of them.
func (x *expander) given(name string) (value, string) {
	sample, inSample := x.values.sample[name]
	script, inScript := x.values.script[name]
	switch {
	case inScript && (x.values.deployed || !inSample):
		return script, recipe.ScriptName
	case inSample:
		return sample, recipe.SampleName
	}
	return value{}, ""
}

// covering lists the parts that bytes [from, to) of the text come from.
func (e expansion) covering(from, to int) []part {
	var found []part
	for _, p := range e.parts {
		if p.from < to && p.to > from {
			found = append(found, p)
		}
	}
	return found
}

// source is the stretch of the string as written that bytes [from, to) of the
// text come from. A stretch that is only partly inside a variable has all of
// that variable, so that it never ends between braces.
func (e expansion) source(from, to int) (rawFrom, rawTo int, ok bool) {
	parts := e.covering(from, to)
	if len(parts) == 0 {
		return 0, 0, false
	}
	whole := false
	for _, p := range parts {
		whole = whole || p.varFrom != parts[0].varFrom || p.varTo != parts[0].varTo
	}
	rawFrom, rawTo = parts[0].rawFrom, parts[len(parts)-1].rawTo
	if first := parts[0]; first.literal {
		rawFrom += max(0, from-first.from)
	}
	if last := parts[len(parts)-1]; last.literal {
		rawTo -= max(0, last.to-to)
	}
	if whole {
		for _, p := range parts {
			if p.varTo > 0 {
				rawFrom, rawTo = min(rawFrom, p.varFrom), max(rawTo, p.varTo)
			}
		}
	}
	return rawFrom, rawTo, true
}
