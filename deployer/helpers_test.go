package deployer

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/registry"
)

var updateGolden = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with a file under testdata, or writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *updateGolden {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, diff)
	}
}

func asJSON(t *testing.T, v any) []byte {
	t.Helper()
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// loadRecipe reads a recipe from files by name.
func loadRecipe(t *testing.T, files map[string]string) *recipe.Recipe {
	t.Helper()
	tree := fstest.MapFS{}
	for name, text := range files {
		tree[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	r, err := recipe.Load(tree, recipe.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// writeApp puts an env file where operators have theirs.
func writeApp(t *testing.T, domain, env string) App {
	t.Helper()
	d := Dir{t.TempDir()}
	writeFile(t, filepath.Join(d.Root, "servers", "default", domain+".env"), env)
	app, err := d.Find(domain, "")
	if err != nil {
		t.Fatal(err)
	}
	return app
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// entryOf vouches for images as they are written in compose files.
func entryOf(t *testing.T, version string, images ...string) *catalogue.Entry {
	t.Helper()
	entry := &catalogue.Entry{Version: version}
	for i, image := range images {
		ref, err := registry.ParseReference(image)
		if err != nil {
			t.Fatal(err)
		}
		digest := "sha256:" + string(bytes.Repeat([]byte{"abcdef0123456789"[i]}, 64))
		entry.Images = append(entry.Images, catalogue.Image{
			Reference: ref.String(), Digest: digest, Platforms: []catalogue.Platform{{Platform: "linux/amd64"}, {Platform: "linux/arm/v7"}},
		})
	}
	return entry
}

// wantStack makes a wanted stack from one compose file and the entry's images.
func wantStack(t *testing.T, compose, env, version string, images ...string) *Desired {
	t.Helper()
	app := writeApp(t, "web.example.org", "TYPE=web\nDOMAIN=web.example.org\n"+env)
	files := map[string]string{"compose.yml": compose, "conf.txt": "first\n"}
	d, err := NewDesired(t.Context(), Input{App: app, Recipe: loadRecipe(t, files), Entry: entryOf(t, version, images...)})
	if err != nil {
		t.Fatal(err)
	}
	return d
}
