package catalogue

import (
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzDecodeRecipe sees that what is taken is taken whole: it reads the same
// again, and nothing in it leaves a bundle or a folder.
func FuzzDecodeRecipe(f *testing.F) {
	sample, err := os.ReadFile("testdata/web.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sample)
	f.Add([]byte("<html>"))
	f.Add([]byte(`{"schema":1,"name":"web","versions":null}`))
	f.Add([]byte(strings.ReplaceAll(string(sample), "compose.db.yml", "../../x.yml")))
	f.Add([]byte(strings.ReplaceAll(string(sample), "1.1.0+1.1", "1.0.0+1.0")))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decodeRecipe("web", data)
		if err != nil {
			return
		}
		again, err := encode(r, "  ")
		if err != nil {
			t.Fatal(err)
		}
		same, err := decodeRecipe("web", again)
		if err != nil {
			t.Fatalf("does not read again: %v\n%s", err, again)
		}
		if diff := cmp.Diff(r, same); diff != "" {
			t.Fatal(diff)
		}
		for _, e := range r.Versions {
			for _, name := range append(e.Overlays, e.Compose, e.Bundle.Path()) {
				if !fs.ValidPath(name) {
					t.Errorf("path %q", name)
				}
			}
		}
	})
}

func FuzzDecodeIndex(f *testing.F) {
	f.Add([]byte(`{"schema":1,"name":"Test","recipes":[{"name":"web","description":"","category":"","newest":"1.0.0+1","versions":1}]}`))
	f.Add([]byte(`{"schema":1,"name":"Test","recipes":[{"name":"../x","description":"","category":"","newest":"1.0.0+1","versions":1}]}`))
	f.Add([]byte("\ufeff<"))
	f.Fuzz(func(t *testing.T, data []byte) {
		index, err := decodeIndex(data)
		if err != nil {
			return
		}
		for _, item := range index.Recipes {
			if name, ok := recipeOf(recipePath(item.Name)); !ok || name != item.Name {
				t.Errorf("recipe %q has no path of its own", item.Name)
			}
		}
	})
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(exampleConfig))
	f.Add([]byte("name: x\nsources:\n  - path: a\n    gate: off\nexpiry: {root: 1y}\n"))
	f.Add([]byte("name: &a x\nsources: [*a, {<<: *a}]\n"))
	f.Add([]byte("expiry: {root: ''}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := ParseConfig("/c/galley-catalogue.yml", data)
		if err != nil {
			return
		}
		for _, s := range cfg.Sources {
			if _, ok := recipeOf(recipePath(s.Name)); !ok || s.Location() == "" {
				t.Errorf("source %+v was taken", s)
			}
		}
	})
}

// TestDecodeRecipeRefuses changes one thing of a good file at a time.
func TestDecodeRecipeRefuses(t *testing.T) {
	sample, err := os.ReadFile("testdata/web.json")
	must(t, err)
	if _, err := decodeRecipe("web", sample); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, old, new, want string }{
		{"other name", `"name": "web"`, `"name": "bew"`, `is about the recipe "bew", expected "web"`},
		{"other schema version", `"schema": 1`, `"schema": 2`, `"/schema"`},
		{"unknown key", `"schema": 1`, `"schema": 1, "withdrawn": true`, "withdrawn"},
		{"key in upper case", `"commit"`, `"Commit"`, "commit"},
		{"path outside", `"compose.db.yml"`, `"../compose.db.yml"`, "no path in a bundle"},
		{"absolute path", `"compose": "compose.yml"`, `"compose": "/compose.yml"`, "/compose"},
		{"same version twice", `"version": "1.1.0+1.1"`, `"version": "1.0.0+1.0"`, "does not stand behind"},
		{"no version", `"version": "1.1.0+1.1"`, `"version": "latest"`, "/versions/1/version"},
		{"short digest", `"digest": "sha256:`, `"digest": "sha256:0`, "digest"},
		{"bundle without size", `"size": 4096`, `"size": 0`, "bundle"},
		{"HTML", "{", "<!doctype html>{", "is an HTML page"},
		{"two documents", "{", "{}{", "text behind"},
		{"no UTF-8", "A page", "A \xff page", "is not UTF-8"},
		{"control character", `"tagger": "Ada"`, `"tagger": "Ada` + "\x01" + `"`, "not JSON"},
		{"text for a number", `"errors": 0`, `"errors": "0"`, "errors"},
		{"wrong date", `"date": "2024-05-06T05:08:09Z"`, `"date": "2024-13-06T05:08:09Z"`, "cannot be read"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(string(sample), tt.old) {
				t.Fatalf("the sample has no %s", tt.old)
			}
			_, err := decodeRecipe("web", []byte(strings.Replace(string(sample), tt.old, tt.new, 1)))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, expected one with %q", err, tt.want)
			}
		})
	}
}
