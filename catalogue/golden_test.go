package catalogue

import (
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// TestGoldenRecipe holds the bytes of a head, an entry and the index: commits, bundles and
// digests of the sample recipe are the same on every machine.
func TestGoldenRecipe(t *testing.T) {
	w := newWorld(t)
	w.build(config(webRepo(t)), w.path("build"))
	entry := entryPath(headIn(t, w.path("build"), "web").Versions[1].Entry)
	for golden, built := range map[string]string{
		"testdata/web.json": "build/v1/recipes/web.json", "testdata/entry.json": "build/" + entry, "testdata/index.json": "build/v1/index.json",
	} {
		got, err := os.ReadFile(w.path(built))
		must(t, err)
		if *update {
			must(t, os.MkdirAll("testdata", 0o755))
			must(t, os.WriteFile(golden, got, 0o644))
		}
		want, err := os.ReadFile(golden)
		must(t, err)
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Error(diff)
		}
	}
}
