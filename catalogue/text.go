package catalogue

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/registry"
	"github.com/galley-coop/galley/schemas"
)

// The bounds of texts in an entry, in bytes; longer ones are cut. The schemas
// hold the same numbers.
const (
	maxLine    = 2000
	maxName    = 200
	maxTagger  = 500
	maxMessage = 8 << 10
	maxNotes   = 64 << 10
	maxBranch  = 255
)

// maxEntry bounds an entry's file, in bytes.
const maxEntry = 8 << 20

// cleanText makes foreign text fit for a file that others print: UTF-8, LF line
// ends, no control characters but tab and line end, no blanks around, no longer
// than limit.
func cleanText(s string, limit int) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", "\n")
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || !unicode.IsControl(r) && !isBidi(r) {
			return r
		}
		return -1
	}, s))
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return strings.TrimSpace(s[:limit])
}

// isBidi tells the marks that turn the direction of what is printed after them.
func isBidi(r rune) bool { return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 }

// cleanLine is cleanText on one line.
func cleanLine(s string, limit int) string {
	return cleanText(strings.Join(strings.Fields(s), " "), limit)
}

// encode writes JSON as it is published: indented, with a final newline and
// without HTML escapes.
func encode(v any, indent string) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", indent)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// decode reads JSON that its schema describes; every key must be one it knows.
// An unknown key may be what forbids the use of an entry, so it is not skipped.
func decode(schema string, data []byte, into any) error {
	if looksLikeHTML(data) {
		return errors.New("is an HTML page, not JSON")
	}
	if err := checkSchema(schema, data); err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("cannot be read: %w", err)
	}
	return nil
}

func checkSchema(schema string, data []byte) error {
	if !utf8.Valid(data) {
		return errors.New("is not UTF-8")
	}
	violations, err := schemas.Validate(schema, data)
	if err != nil {
		return err
	}
	if len(violations) == 0 {
		return nil
	}
	v := violations[0]
	return fmt.Errorf("does not fit its schema (%d places), the first at %q: %s", len(violations), v.Pointer, v.Message)
}

func looksLikeHTML(data []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(bytes.TrimPrefix(data, []byte("\ufeff")), " \t\r\n"), []byte("<"))
}

// decodeRecipe reads v1/recipes/<name>.json and checks what its schema cannot
// say: the name is the one that was asked for, versions ascend.
func decodeRecipe(name string, data []byte) (*Recipe, error) {
	var r Recipe
	if err := decode("recipe", data, &r); err != nil {
		return nil, err
	}
	if r.Name != name {
		return nil, fmt.Errorf("is about the recipe %q, expected %q", cleanLine(r.Name, maxName), name)
	}
	if err := recipe.ValidRecipeName(r.Name); err != nil {
		return nil, err
	}
	var last recipe.Version
	for i := range r.Versions {
		version, err := recipe.ParseVersion(r.Versions[i].Version)
		if err != nil {
			return nil, err
		}
		if i > 0 && version.Compare(last) <= 0 {
			return nil, fmt.Errorf("version %q does not stand behind the older %q", version, last)
		}
		last = version
	}
	return &r, nil
}

// decodeEntry reads v1/entries/<sha256>.json of a recipe's version.
func decodeEntry(name, version string, data []byte) (*Entry, error) {
	var e Entry
	if err := decode("entry", data, &e); err != nil {
		return nil, err
	}
	if e.Recipe != name || e.Version != version {
		return nil, fmt.Errorf("is about %s@%s, expected %s@%s", cleanLine(e.Recipe, maxName), cleanLine(e.Version, maxName), name, version)
	}
	return &e, checkEntry(&e)
}

// checkEntry finds what the schema cannot say: paths stay inside the bundle, no
// image is there twice.
func checkEntry(e *Entry) error {
	for _, name := range append([]string{e.Compose}, e.Overlays...) {
		if !fs.ValidPath(name) || name == "." {
			return fmt.Errorf("%q is no path in a bundle", name)
		}
	}
	seen := map[string]bool{}
	for _, image := range e.Images {
		if _, err := registry.ParseReference(image.Reference); err != nil {
			return err
		}
		if seen[image.Reference] {
			return fmt.Errorf("image %q is there twice", image.Reference)
		}
		seen[image.Reference] = true
	}
	return nil
}

// decodeIndex reads v1/index.json.
func decodeIndex(data []byte) (*Index, error) {
	var index Index
	if err := decode("index", data, &index); err != nil {
		return nil, err
	}
	for i, item := range index.Recipes {
		if err := recipe.ValidRecipeName(item.Name); err != nil {
			return nil, err
		}
		if i > 0 && item.Name <= index.Recipes[i-1].Name {
			return nil, fmt.Errorf("recipe %q does not stand behind %q", item.Name, index.Recipes[i-1].Name)
		}
	}
	return &index, nil
}
