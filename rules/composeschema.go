package rules

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/compose-spec/compose-go/v2/schema"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/schemas"
)

// specAddress is what the compose specification's schema is called while it is
// compiled. The compiler takes schemas of json-schema.org for good; those of other
// places it first checks against the schema of schemas, which takes as long as the
// reading of a hundred compose files. A test checks this one.
const specAddress = "https://json-schema.org/compose-spec.json"

// composeSpec is the compose specification's schema, compiled at first use.
var composeSpec = sync.OnceValues(func() (*jsonschema.Schema, error) { return compileSpec(specAddress) })

func compileSpec(address string) (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(schema.Schema))
	if err != nil {
		return nil, fmt.Errorf("reading the compose specification's schema: %w", err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(address, doc); err != nil {
		return nil, fmt.Errorf("reading the compose specification's schema: %w", err)
	}
	return compiler.Compile(address)
}

// Warm makes what rules would else make when they first run: compiled schemas. It
// is worth a goroutine beside the reading of files, and may be left out.
func Warm() {
	_, _ = composeSpec() // S202 reports errors
	_, _ = schemas.ValidateValue(stackSchema, nil)
}

// composeIssuesOf is composeIssues, once for all rules that want them.
func composeIssuesOf(p *lint.Pass, d *recipe.Document) ([]issue, error) {
	type key struct{ *recipe.Document }
	type answer struct {
		issues []issue
		err    error
	}
	a := lint.Once(p, key{d}, func() answer {
		issues, err := composeIssues(d, plainData(p, d))
		return answer{issues, err}
	})
	return a.issues, a.err
}

// plainData is a document as a schema takes it, made once for all schemas.
func plainData(p *lint.Pass, d *recipe.Document) any {
	type key struct{ *recipe.Document }
	return lint.Once(p, key{d}, d.Root().Any)
}

// composeIssues lists what the compose specification's schema finds in a
// document, of which data is the plain form. Values that hold variables are taken for whatever is wanted there.
func composeIssues(d *recipe.Document, data any) ([]issue, error) {
	if !d.Root().IsMap() {
		return nil, nil
	}
	compiled, err := composeSpec()
	if err != nil {
		return nil, err
	}
	err = compiled.Validate(data)
	var found *jsonschema.ValidationError
	if !errors.As(err, &found) {
		return nil, err
	}
	reader := composeReader{d, maxIssues}
	return settle(d, reader.causes(found)), nil
}

// composeReader turns the schema's tree of errors into issues.
type composeReader struct {
	document *recipe.Document
	left     int // how many more errors it looks at
}

// causes lists the issues behind one error.
func (r *composeReader) causes(e *jsonschema.ValidationError) []issue {
	switch k := e.ErrorKind.(type) {
	case *kind.OneOf:
		if len(k.Subschemas) > 0 {
			return nil // fits two forms at once: no reader has trouble with that
		}
		return r.alternatives(e)
	case *kind.AnyOf:
		return r.alternatives(e)
	}
	if len(e.Causes) == 0 {
		return r.leaf(e)
	}
	// The validator walks maps, so its order changes from run to run.
	slices.SortStableFunc(e.Causes, func(a, b *jsonschema.ValidationError) int {
		return slices.Compare(a.InstanceLocation, b.InstanceLocation)
	})
	var found []issue
	for _, cause := range e.Causes {
		found = append(found, r.causes(cause)...)
	}
	return found
}

// alternatives picks, of several forms that a value could have, the one that it
// seems to be meant as: one that its type fits, with the fewest issues. When its
// type fits none, that is the issue.
func (r *composeReader) alternatives(e *jsonschema.ValidationError) []issue {
	var best []issue
	var types []string
	for _, cause := range e.Causes {
		if wanted := wantedTypes(cause, e.InstanceLocation); wanted != nil {
			types = append(types, wanted...)
			if r.lenient(e.InstanceLocation, wanted) {
				return nil
			}
			continue
		}
		found := r.causes(cause)
		if len(found) == 0 {
			return nil
		}
		if best == nil || len(found) < len(best) {
			best = found
		}
	}
	if best != nil {
		return best
	}
	return r.wrongType(e.InstanceLocation, types)
}

// wantedTypes are the types that an error asks for at a place, nil when the
// error is not that the type is wrong there.
func wantedTypes(e *jsonschema.ValidationError, at []string) []string {
	if k, ok := e.ErrorKind.(*kind.Type); ok && slices.Equal(e.InstanceLocation, at) {
		return k.Want
	}
	for _, cause := range e.Causes {
		if wanted := wantedTypes(cause, at); wanted != nil {
			return wanted
		}
	}
	return nil
}

// lenient tells whether a variable stands where a single value is wanted.
func (r *composeReader) lenient(at []string, wanted []string) bool {
	single := slices.ContainsFunc(wanted, func(t string) bool { return t != "object" && t != "array" && t != "null" })
	return single && variable(r.document.Lookup(at...))
}

func (r *composeReader) wrongType(at []string, wanted []string) []issue {
	n := r.document.Lookup(at...)
	if r.lenient(at, wanted) || reset(n) {
		return nil
	}
	return []issue{{path: at, text: fmt.Sprintf("expected %s, got %s", expectedKinds(wanted), gotValue(n))}}
}

// leaf puts one error into words.
func (r *composeReader) leaf(e *jsonschema.ValidationError) []issue {
	if r.left--; r.left < 0 {
		return nil
	}
	at := e.InstanceLocation
	n := r.document.Lookup(at...)
	say := func(format string, args ...any) []issue {
		return []issue{{path: at, text: fmt.Sprintf(format, args...)}}
	}
	switch k := e.ErrorKind.(type) {
	case *kind.FalseSchema:
		if knownKeys(e.SchemaURL)[last(at)] || reset(n) {
			return nil
		}
		return []issue{unknownKey(at)}
	case *kind.AdditionalProperties:
		return unknownKeys(at, k.Properties)
	case *kind.Type:
		return r.wrongType(at, k.Want)
	case *kind.Required:
		return say("lacks %s", quoted(k.Missing))
	case *kind.UniqueItems:
		if last(at) == "volumes" {
			return nil // both compose and docker stack deploy take the same mount twice for one
		}
		at = append(slices.Clone(at), fmt.Sprint(k.Duplicates[1]))
		return say("%q stands in the list twice", shorten(r.document.Lookup(at...).Text()))
	}
	if variable(n) || reset(n) {
		return nil
	}
	return say("%s", badValue(e.ErrorKind, n))
}

// badValue says what is wrong with a value of the right type.
func badValue(k jsonschema.ErrorKind, n recipe.Node) string {
	switch k := k.(type) {
	case *kind.Enum:
		return fmt.Sprintf("expected %s, got %s", allowed(k.Want), gotValue(n))
	case *kind.Pattern:
		return fmt.Sprintf("expected a value like %s, got %s", k.Want, gotValue(n))
	case *kind.Minimum:
		return fmt.Sprintf("expected at least %s, got %s", k.Want.RatString(), gotValue(n))
	case *kind.Maximum:
		return fmt.Sprintf("expected at most %s, got %s", k.Want.RatString(), gotValue(n))
	case *kind.MinItems:
		return fmt.Sprintf("expected at least %d items, got %d", k.Want, k.Got)
	case *kind.MaxItems:
		return fmt.Sprintf("expected at most %d items, got %d", k.Want, k.Got)
	case *kind.MinProperties:
		return fmt.Sprintf("expected at least %d keys, got %d", k.Want, k.Got)
	}
	return fmt.Sprintf("does not fit the compose specification (%s)", strings.Join(k.KeywordPath(), "/"))
}

func unknownKeys(at, names []string) []issue {
	var found []issue
	slices.Sort(names)
	for _, name := range names[:min(len(names), maxIssues)] {
		found = append(found, unknownKey(append(slices.Clone(at), name)))
	}
	return found
}

func unknownKey(path []string) issue {
	return issue{path: path, key: true, text: fmt.Sprintf("unknown key %q %s", shorten(last(path)), inside(path[:len(path)-1]))}
}

func last(path []string) string {
	if len(path) == 0 {
		return ""
	}
	return path[len(path)-1]
}

func quoted(names []string) string {
	words := make([]string, len(names))
	for i, name := range names {
		words[i] = fmt.Sprintf("%q", name)
	}
	return strings.Join(words, ", ")
}

func allowed(values []any) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = fmt.Sprintf("%q", fmt.Sprint(v))
	}
	return either(words)
}

// composeDefinitions are the schema's $defs, for knownKeys.
var composeDefinitions = sync.OnceValue(func() map[string]definition {
	var doc struct {
		Defs map[string]definition `json:"$defs"`
	}
	if err := json.Unmarshal([]byte(schema.Schema), &doc); err != nil {
		return nil
	}
	return doc.Defs
})

type definition struct {
	Properties map[string]json.RawMessage `json:"properties"`
	AllOf      []struct {
		Ref string `json:"$ref"`
	} `json:"allOf"`
}

// knownKeys are the keys of the definition that refused one. A definition made
// of others (allOf) calls all keys of a part unknown as soon as one value in the
// part is wrong; those that the part knows are not.
func knownKeys(schemaURL string) map[string]bool {
	_, name, _ := strings.Cut(schemaURL, "#/$defs/")
	name, _, _ = strings.Cut(name, "/")
	known := map[string]bool{}
	addKnown(name, known, 0)
	return known
}

func addKnown(name string, known map[string]bool, depth int) {
	d, ok := composeDefinitions()[name]
	if !ok || depth > 8 {
		return
	}
	for key := range d.Properties {
		known[key] = true
	}
	for _, part := range d.AllOf {
		addKnown(strings.TrimPrefix(part.Ref, "#/$defs/"), known, depth+1)
	}
}
