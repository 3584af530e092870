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
	f.Add([]byte(strings.ReplaceAll(string(sample), "1.1.0+1.1", "1.0.0+1.0")))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decodeRecipe("web", data)
		if err != nil {
			return
		}
		again, err := encode(r, "")
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
		for _, release := range r.Versions {
			if hash, ok := entryOf(entryPath(release.Entry)); !ok || hash != release.Entry {
				t.Errorf("entry %q has no path of its own", release.Entry)
			}
		}
	})
}

// FuzzDecodeEntry sees that nothing in an entry leaves its bundle.
func FuzzDecodeEntry(f *testing.F) {
	sample, err := os.ReadFile("testdata/entry.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sample)
	f.Add([]byte(strings.ReplaceAll(string(sample), "compose.db.yml", "../../x.yml")))
	f.Add([]byte(`{"schema":1,"recipe":"web","version":"1.1.0+1.1","images":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := decodeEntry("web", "1.1.0+1.1", data)
		if err != nil {
			return
		}
		for _, name := range append(e.Overlays, e.Compose, e.Bundle.Path()) {
			if !fs.ValidPath(name) {
				t.Errorf("path %q", name)
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

// TestDecodeRefuses changes one thing of a good file at a time.
func TestDecodeRefuses(t *testing.T) {
	read := map[string]func([]byte) error{
		"web.json":   func(data []byte) error { _, err := decodeRecipe("web", data); return err },
		"entry.json": func(data []byte) error { _, err := decodeEntry("web", "1.1.0+1.1", data); return err },
	}
	tests := []struct{ name, file, old, new, want string }{
		{"other name", "web.json", `"name":"web"`, `"name":"bew"`, `is about the recipe "bew", expected "web"`},
		{"other schema version", "web.json", `"schema":1`, `"schema":2`, `"/schema"`},
		{"unknown key", "web.json", `"schema":1`, `"schema":1,"hidden":true`, "hidden"},
		{"same version twice", "web.json", `"version":"1.1.0+1.1"`, `"version":"1.0.0+1.0"`, "does not stand behind"},
		{"no version", "web.json", `"version":"1.1.0+1.1"`, `"version":"latest"`, "/versions/1/version"},
		{"no entry", "web.json", `"entry":"`, `"entry":"../`, "/versions/0/entry"},
		{"withdrawn without reason", "web.json", `"version":"1.1.0+1.1"`, `"withdrawn":{"kind":"yanked","reason":""},"version":"1.1.0+1.1"`, "withdrawn"},
		{"HTML", "web.json", "{", "<!doctype html>{", "is an HTML page"},
		{"two documents", "web.json", "{", "{}{", "text behind"},
		{"no UTF-8", "web.json", "A page", "A \xff page", "is not UTF-8"},
		{"other recipe", "entry.json", `"recipe":"web"`, `"recipe":"bew"`, "is about bew@1.1.0+1.1, expected web@1.1.0+1.1"},
		{"other version", "entry.json", `"version":"1.1.0+1.1"`, `"version":"1.2.0+1.1"`, "is about web@1.2.0+1.1"},
		{"key in upper case", "entry.json", `"commit"`, `"Commit"`, "commit"},
		{"path outside", "entry.json", `"compose.db.yml"`, `"../compose.db.yml"`, "no path in a bundle"},
		{"absolute path", "entry.json", `"compose":"compose.yml"`, `"compose":"/compose.yml"`, "/compose"},
		{"short digest", "entry.json", `"digest":"sha256:`, `"digest":"sha256:0`, "digest"},
		{"bundle without size", "entry.json", `"size":6144`, `"size":0`, "bundle"},
		{"control character", "entry.json", `"tagger":"Ada"`, `"tagger":"Ada` + "\x01" + `"`, "not JSON"},
		{"text for a number", "entry.json", `"errors":0`, `"errors":"0"`, "errors"},
		{"wrong date", "entry.json", `"date":"2024-05-06T05:08:09Z"`, `"date":"2024-13-06T05:08:09Z"`, "cannot be read"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sample, err := os.ReadFile("testdata/" + tt.file)
			must(t, err)
			must(t, read[tt.file](sample))
			if !strings.Contains(string(sample), tt.old) {
				t.Fatalf("the sample has no %s", tt.old)
			}
			err = read[tt.file]([]byte(strings.Replace(string(sample), tt.old, tt.new, 1)))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, expected one with %q", err, tt.want)
			}
		})
	}
}
