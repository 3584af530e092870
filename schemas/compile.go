package schemas

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/xeipuuv/gojsonschema"
)

// variant is a schema for documents with or without keys that start with "x-".
type variant struct {
	name       string
	extensions bool
}

// schema is a compiled one.
type schema struct {
	*gojsonschema.Schema
	// open says that at the top level any key that starts with "x-" is taken.
	open bool
}

// compiled keeps each schema once it was asked for: compiling one costs about
// as much as checking fifty documents.
var compiled sync.Map // variant → func() (schema, error)

// Compile gives the schema of that name, "stack" for stack.schema.json. It is
// compiled at the first call and safe for concurrent use.
func Compile(name string) (*gojsonschema.Schema, error) {
	s, err := compileOnce(variant{name, true})
	return s.Schema, err
}

// schemaFor is the schema of that name for a value, and the value without the
// extensions at its top level.
func schemaFor(name string, value any) (schema, any, error) {
	s, err := compileOnce(variant{name, false})
	if err != nil {
		return s, value, err
	}
	if top, ok := value.(map[string]any); ok && s.open {
		value = withoutExtensions(top)
	}
	if hasExtensions(value) {
		s, err = compileOnce(variant{name, true})
	}
	return s, value, err
}

func compileOnce(v variant) (schema, error) {
	once, known := compiled.Load(v)
	if !known {
		once, _ = compiled.LoadOrStore(v, sync.OnceValues(func() (schema, error) { return compile(v) }))
	}
	return once.(func() (schema, error))()
}

func compile(v variant) (s schema, err error) {
	if !slices.Contains(Names(), v.name) {
		return s, fmt.Errorf("no schema %q; expected one of %s", v.name, strings.Join(Names(), ", "))
	}
	data, err := FS.ReadFile(v.name + suffix)
	if err != nil {
		return s, fmt.Errorf("reading schema %q: %w", v.name, err)
	}
	var doc any
	if err := json.Unmarshal(data, &doc); err != nil {
		return s, fmt.Errorf("reading schema %q: %w", v.name, err)
	}
	if !v.extensions {
		s.open = dropExtensions(doc)
	}
	if s.Schema, err = gojsonschema.NewSchema(gojsonschema.NewGoLoader(doc)); err != nil {
		return s, fmt.Errorf("compiling schema %q: %w", v.name, err)
	}
	return s, nil
}

// dropExtensions takes {"^x-": true} out of a schema, for documents without such
// keys: gojsonschema compiles a pattern anew for every key that it compares with
// it, which is two thirds of the time of a check. It tells whether there was one
// at the top.
func dropExtensions(doc any) (found bool) {
	switch v := doc.(type) {
	case map[string]any:
		if p, ok := v["patternProperties"].(map[string]any); ok && len(p) == 1 && p["^x-"] == true {
			delete(v, "patternProperties")
			found = true
		}
		for _, child := range v {
			dropExtensions(child)
		}
	case []any:
		for _, child := range v {
			dropExtensions(child)
		}
	}
	return found
}

func isExtension(key string) bool { return strings.HasPrefix(key, "x-") }

// hasExtensions tells whether a key of a document is an extension.
func hasExtensions(value any) bool {
	switch v := value.(type) {
	case map[string]any:
		for key, child := range v {
			if isExtension(key) || hasExtensions(child) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, hasExtensions)
	}
	return false
}

// withoutExtensions is a mapping without the keys that are extensions; it is not
// changed itself.
func withoutExtensions(top map[string]any) map[string]any {
	left := top
	for key := range top {
		if !isExtension(key) {
			continue
		}
		if len(left) == len(top) {
			left = maps.Clone(top)
		}
		delete(left, key)
	}
	return left
}
