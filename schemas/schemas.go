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
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"sync"

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

// compiled keeps each schema once it was asked for: compiling one costs about
// as much as checking fifty documents.
var compiled sync.Map // name → func() (*gojsonschema.Schema, error)

// Compile gives the schema of that name, "stack" for stack.schema.json. It is
// compiled at the first call and safe for concurrent use.
func Compile(name string) (*gojsonschema.Schema, error) {
	once, _ := compiled.LoadOrStore(name, sync.OnceValues(func() (*gojsonschema.Schema, error) {
		return compile(name)
	}))
	return once.(func() (*gojsonschema.Schema, error))()
}

func compile(name string) (*gojsonschema.Schema, error) {
	if !slices.Contains(Names(), name) {
		return nil, fmt.Errorf("no schema %q; expected one of %s", name, strings.Join(Names(), ", "))
	}
	data, err := FS.ReadFile(name + suffix)
	if err != nil {
		return nil, fmt.Errorf("reading schema %q: %w", name, err)
	}
	schema, err := gojsonschema.NewSchema(gojsonschema.NewBytesLoader(data))
	if err != nil {
		return nil, fmt.Errorf("compiling schema %q: %w", name, err)
	}
	return schema, nil
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
	return validate(name, gojsonschema.NewRawLoader(plain(value)))
}

func validate(name string, doc gojsonschema.JSONLoader) ([]Violation, error) {
	schema, err := Compile(name)
	if err != nil {
		return nil, err
	}
	result, err := schema.Validate(doc)
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

// plain makes numbers what gojsonschema takes for numbers. Those that JSON does
// not have, infinities and NaN, and those with an exponent that exact arithmetic
// refuses, become their text: a number that large is what no schema asks for.
func plain(value any) any {
	switch v := value.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for key, child := range v {
			m[key] = plain(child)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, child := range v {
			list[i] = plain(child)
		}
		return list
	case int:
		return json.Number(strconv.Itoa(v))
	case int64, uint64:
		return json.Number(fmt.Sprint(v))
	case json.Number:
		if _, ok := new(big.Rat).SetString(v.String()); !ok {
			return v.String()
		}
	case float64:
		text := strconv.FormatFloat(v, 'g', -1, 64)
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return text
		}
		return json.Number(text)
	}
	return value
}
