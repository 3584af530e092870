// Package schemas holds galley's JSON schemas, embedded, and checks documents
// against them. Every *.schema.json beside this file is one, known by its file
// name without the ending.
//
// It refuses the network: a schema stands alone and references only itself. And
// it knows nothing of what it checks: pointers go in and out, positions and
// advice are for whoever asked.
package schemas

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/xeipuuv/gojsonschema"
)

// FS holds the schema files.
//
//go:embed *.schema.json
var FS embed.FS

const suffix = ".schema.json"

// Names lists the schemas, sorted.
func Names() []string {
	entries, err := FS.ReadDir(".")
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), suffix))
	}
	return names
}

// Violation is one place where a document is not what its schema wants.
type Violation struct {
	// Pointer is an RFC 6901 JSON pointer to the value, or to the key that the
	// schema does not know. "" is the whole document.
	Pointer string
	Message string // one line
	// Kind is gojsonschema's name of the broken keyword, such as
	// "additional_property_not_allowed" or "invalid_type".
	Kind string
	// Expected is what the keyword asked for: the types, the allowed values or
	// the missing key. "" where the keyword has nothing to name.
	Expected string
}

// Path is the pointer taken apart into keys and list places.
func (v Violation) Path() []string {
	if v.Pointer == "" {
		return nil
	}
	steps := strings.Split(v.Pointer[1:], "/")
	for i, step := range steps {
		steps[i] = unescapePointer.Replace(step)
	}
	return steps
}

// Validate checks a JSON document. The error is of the schema or of a document
// that is no JSON; what the schema finds is in the violations, none for a valid
// document.
func Validate(name string, doc []byte) ([]Violation, error) {
	decoder := json.NewDecoder(bytes.NewReader(doc))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, fmt.Errorf("checking against schema %q: the document is not JSON: %w", name, err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, fmt.Errorf("checking against schema %q: there is text behind the document", name)
	}
	return ValidateValue(name, value)
}

// ValidateValue checks plain Go data: map[string]any, []any, string, bool, nil,
// json.Number and Go's numbers. It saves the way through JSON text.
func ValidateValue(name string, value any) ([]Violation, error) {
	schema, value, err := schemaFor(name, value)
	if err != nil {
		return nil, err
	}
	value, _ = plain(value)
	result, err := schema.Validate(gojsonschema.NewRawLoader(value))
	if err != nil {
		return nil, fmt.Errorf("checking against schema %q: %w", name, err)
	}
	var found []Violation
	for _, e := range result.Errors() {
		found = append(found, violation(e))
	}
	slices.SortStableFunc(found, func(a, b Violation) int {
		return strings.Compare(a.Pointer+"\x00"+a.Message, b.Pointer+"\x00"+b.Message)
	})
	return found, nil
}

// separator joins the steps of a place; no key of a real document holds it.
const separator = "\x00"

func violation(e gojsonschema.ResultError) Violation {
	steps := strings.Split(e.Context().String(separator), separator)[1:] // without "(root)"
	v := Violation{Kind: e.Type(), Message: strings.Join(strings.Fields(e.Description()), " ")}
	details := e.Details()
	switch e.Type() {
	case "additional_property_not_allowed", "invalid_property_name":
		steps = append(steps, fmt.Sprint(details["property"]))
	case "required":
		v.Expected = fmt.Sprint(details["property"])
	case "invalid_type":
		v.Expected = strings.Join(strings.Split(strings.Trim(fmt.Sprint(details["expected"]), "[]"), ","), ", ")
	case "enum":
		v.Expected = fmt.Sprint(details["allowed"])
	case "pattern":
		v.Expected = fmt.Sprint(details["pattern"])
	}
	for _, step := range steps {
		v.Pointer += "/" + escapePointer.Replace(step)
	}
	return v
}

var (
	escapePointer   = strings.NewReplacer("~", "~0", "/", "~1")
	unescapePointer = strings.NewReplacer("~1", "/", "~0", "~")
)
