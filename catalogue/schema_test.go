package catalogue

import (
	"path"
	"strings"
	"testing"

	"github.com/galley-coop/galley/schemas"
)

// schemaOf is the schema of a published file, "" for a bundle.
func schemaOf(t *testing.T, name string) string {
	t.Helper()
	_, isEntry := entryOf(name)
	plain := name
	if target, _, ok := targetOf(name); ok {
		plain = target
	}
	_, isRecipe := recipeOf(plain)
	_, isBundle := bundleOf(name)
	switch {
	case isBundle:
		return ""
	case isEntry:
		return "entry"
	case isRecipe:
		return "recipe"
	case plain == indexName:
		return "index"
	case plain == recipesName:
		return "recipes"
	case path.Dir(name) == "metadata":
		return "metadata"
	}
	t.Errorf("%s is published and has no schema", name)
	return ""
}

// TestSchemasFitEverythingPublished has every file of a published catalogue with
// history: two generations, withdrawn versions, older metadata.
func TestSchemasFitEverythingPublished(t *testing.T) {
	w := twice(t)
	checked := map[string]int{}
	for name, content := range snapshotOf(t, w.path("public")) {
		schema := schemaOf(t, name)
		if schema == "" {
			continue
		}
		checked[schema]++
		found, err := schemas.Validate(schema, []byte(content))
		if err != nil || len(found) > 0 {
			t.Errorf("%s does not fit %s: %v %v", name, schema, found, err)
		}
		if broken := strings.Replace(content, `"version":1`, `"version":"1"`, 1); schema == "metadata" && broken != content {
			if found, err := schemas.Validate(schema, []byte(broken)); err == nil && len(found) == 0 {
				t.Errorf("%s with a version that is no number fits", name)
			}
		}
	}
	for _, schema := range []string{"entry", "recipe", "index", "recipes", "metadata"} {
		if checked[schema] == 0 {
			t.Errorf("no file of %s was checked", schema)
		}
	}
}
