package schemas

import (
	"encoding/json"
	"fmt"
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

// compiled keeps each schema once it was asked for: compiling one costs about
// as much as checking fifty documents.
var compiled sync.Map // variant → func() (*gojsonschema.Schema, error)

// Compile gives the schema of that name, "stack" for stack.schema.json. It is
// compiled at the first call and safe for concurrent use.
func Compile(name string) (*gojsonschema.Schema, error) {
	return compileOnce(variant{name, true})
}

func compileOnce(v variant) (*gojsonschema.Schema, error) {
	once, known := compiled.Load(v)
	if !known {
		once, _ = compiled.LoadOrStore(v, sync.OnceValues(func() (*gojsonschema.Schema, error) { return compile(v) }))
	}
	return once.(func() (*gojsonschema.Schema, error))()
}

func compile(v variant) (*gojsonschema.Schema, error) {
	if !slices.Contains(Names(), v.name) {
		return nil, fmt.Errorf("no schema %q; expected one of %s", v.name, strings.Join(Names(), ", "))
	}
	data, err := FS.ReadFile(v.name + suffix)
	if err != nil {
		return nil, fmt.Errorf("reading schema %q: %w", v.name, err)
	}
	var doc any
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("reading schema %q: %w", v.name, err)
	}
	if !v.extensions {
		dropExtensions(doc)
	}
	schema, err := gojsonschema.NewSchema(gojsonschema.NewGoLoader(doc))
	if err != nil {
		return nil, fmt.Errorf("compiling schema %q: %w", v.name, err)
	}
	return schema, nil
}

// dropExtensions takes {"^x-": true} out of a schema, for documents without such
// keys: gojsonschema compiles a pattern anew for every key that it compares with
// it, which is two thirds of the time of a check.
func dropExtensions(doc any) {
	switch v := doc.(type) {
	case map[string]any:
		if p, ok := v["patternProperties"].(map[string]any); ok && len(p) == 1 && p["^x-"] == true {
			delete(v, "patternProperties")
		}
		for _, child := range v {
			dropExtensions(child)
		}
	case []any:
		for _, child := range v {
			dropExtensions(child)
		}
	}
}

// hasExtensions tells whether a key of a document starts with "x-".
func hasExtensions(value any) bool {
	switch v := value.(type) {
	case map[string]any:
		for key, child := range v {
			if strings.HasPrefix(key, "x-") || hasExtensions(child) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, hasExtensions)
	}
	return false
}
