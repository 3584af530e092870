package lint

import (
	"strings"

	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/schemas"
)

// configSchema is the name of the configuration's schema.
const configSchema = "galley-config"

// configKeys are the keys that the schema knows, by the list they stand in.
var configKeys = map[string][]string{
	"":      {"rules", "paths", "exclude", "enable", "registries", "platforms", "max_domain", "fail_on"},
	"paths": {"match", "rules"},
}

// check finds what is no YAML, what is there twice and what the schema refuses.
func (r *configReader) check() {
	for _, problem := range r.document.Errors {
		problem.Message = strings.ReplaceAll(problem.Message, "a mapping with services", "a mapping with rules, paths and so on")
		r.problems = append(r.problems, problem)
	}
	if len(r.problems) > 0 {
		return
	}
	for _, twice := range r.document.Duplicates() {
		r.problem(twice.Second, "key %q is there twice, the first time at line %d", twice.Name, twice.First.Start.Line)
	}
	violations, err := schemas.ValidateValue(configSchema, r.document.Root().Any())
	if err != nil {
		r.problems = append(r.problems, err)
		return
	}
	const enough = 20
	for _, v := range violations[:min(len(violations), enough)] {
		r.violation(v)
	}
}

func (r *configReader) violation(v schemas.Violation) {
	steps := v.Path()
	node := r.document.Lookup(steps...)
	for up := len(steps) - 1; !node.Exists() && up >= 0; up-- {
		node = r.document.Lookup(steps[:up]...)
	}
	at, place := firstLine(r.document.Text, node.Range()), strings.Join(steps, ".")
	if place == "" {
		place = "the file"
	}
	switch v.Kind {
	case "additional_property_not_allowed":
		r.problem(node.KeyRange(), "%s", unknownKey(steps))
	case "required":
		r.problem(at, "%s: the key %q is missing", place, v.Expected)
	case "invalid_type":
		r.problem(at, "%s: expected %s, got %s", place, readable(v.Expected), kindOf(node))
	case "enum":
		r.problem(at, "%s: %q is not one of %s", place, node.Text(), v.Expected)
	case "pattern":
		r.problem(at, "%s: %q does not have the form of %s", place, node.Text(), form(steps[0]))
	default:
		r.problem(at, "%s: %s", place, v.Message)
	}
}

// firstLine cuts a range at the end of its first line.
func firstLine(t *recipe.Text, r recipe.Range) recipe.Range {
	if r.End.Line > r.Start.Line {
		r.End = t.LineRange(r.Start.Line).End
	}
	return r
}

func unknownKey(steps []string) string {
	key, group := steps[len(steps)-1], ""
	if len(steps) > 1 {
		group = steps[0]
	}
	known := configKeys[group]
	if best := like(key, known); best != "" {
		return "unknown key " + quote(key) + "; did you mean " + quote(best) + "?"
	}
	return "unknown key " + quote(key) + "; expected one of " + strings.Join(known, ", ")
}

func form(key string) string {
	if key == "platforms" {
		return `a platform, such as "linux/arm64"`
	}
	return `a registry's host, such as "docker.io"`
}

// readable is a list of JSON types as YAML writers call them.
func readable(types string) string {
	return strings.NewReplacer("array", "a list", "object", "a mapping", "string", "text", "integer", "a whole number").Replace(types)
}

func kindOf(n recipe.Node) string {
	switch {
	case n.IsMap():
		return "a mapping"
	case n.IsList():
		return "a list"
	case n.IsNull():
		return "nothing"
	}
	return quote(n.Text())
}
