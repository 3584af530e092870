package catalogue

import (
	"errors"
	"fmt"
	"strings"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/schemas"
)

// configKeys are the keys that the schema knows, by where they stand.
var configKeys = map[string][]string{
	"":        {"name", "sources", "platforms", "registries", "insecure", "expiry", "keep", "max_requests"},
	"sources": {"name", "git", "path", "folder", "gitea", "include", "exclude", "token_file", "transport", "compose", "gate", "signers"},
	"expiry":  {"root", "targets", "snapshot", "timestamp"},
}

// check finds what is no YAML, what is there twice and what the schema refuses.
func (r *configReader) check() error {
	d := r.document
	if len(d.Errors) > 0 {
		problem := d.Errors[0]
		problem.Message = strings.ReplaceAll(problem.Message, "a mapping with services", "a mapping with name and sources")
		return problem
	}
	for _, twice := range d.Duplicates() {
		r.problem(twice.Second, "key %q is there twice, the first time at line %d", twice.Name, twice.First.Start.Line)
	}
	violations, err := schemas.ValidateValue("catalogue-config", d.Root().Any())
	if err != nil {
		return err
	}
	for _, v := range violations {
		r.violation(v)
	}
	return errors.Join(r.problems...)
}

func (r *configReader) violation(v schemas.Violation) {
	steps := v.Path()
	node := r.document.Lookup(steps...)
	for up := len(steps) - 1; !node.Exists() && up >= 0; up-- {
		node = r.document.Lookup(steps[:up]...)
	}
	place := strings.Join(steps, ".")
	switch v.Kind {
	case "additional_property_not_allowed":
		r.problem(node.KeyRange(), "%s", unknownKey(steps))
	case "required":
		r.problem(first(node.Range()), "the key %q is missing", v.Expected)
	case "invalid_type":
		r.problem(node.Range(), "%s: expected %s", orWhole(place), readable(v.Expected))
	case "enum":
		r.problem(node.Range(), "%s: %q is not one of %s", orWhole(place), node.Text(), v.Expected)
	case "pattern":
		if strings.HasPrefix(place, "expiry.") || place == "keep" {
			r.problem(node.Range(), "%s: %q is no duration; expected a number and h, d, w or y, as in 14d", place, node.Text())
			return
		}
		r.problem(node.Range(), "%s: %q has characters that do not belong there", place, node.Text())
	default:
		r.problem(node.Range(), "%s: %s", orWhole(place), v.Message)
	}
}

func unknownKey(steps []string) string {
	key := steps[len(steps)-1]
	group := ""
	if len(steps) > 1 {
		group = steps[0]
	}
	known := configKeys[group]
	if like := fault.Near(key, known); len(like) > 0 {
		return fmt.Sprintf("unknown key %q; did you mean %q?", key, like[0])
	}
	return fmt.Sprintf("unknown key %q; expected one of %s", key, strings.Join(known, ", "))
}

// first is the first line of a range: a whole file is no place to look at.
func first(r recipe.Range) recipe.Range {
	r.End = r.Start
	return r
}

func orWhole(place string) string {
	if place == "" {
		return "the file"
	}
	return place
}

// readable is a JSON type as YAML writers call it.
func readable(types string) string {
	return strings.NewReplacer("array", "a list", "object", "a mapping", "string", "text", "integer", "a number").Replace(types)
}
