package catalogue

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galley-coop/galley/catalogue/trust"
)

// binFiles are the metadata files of hash bins that stand, sorted.
func binFiles(t testing.TB, public string) []string {
	t.Helper()
	var found []string
	for name := range snapshotOf(t, public) {
		if role, _, ok := trust.ParseName(name); ok && role.IsBin() {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

// TestVerifyNamesSwappedBins shows each bin in the place of the next: all are
// signed, none is what its name says.
func TestVerifyNamesSwappedBins(t *testing.T) {
	w := published(t)
	public := w.path("public")
	files, content := binFiles(t, public), snapshotOf(t, public)
	for i, name := range files {
		other := files[(i+1)%len(files)]
		path := filepath.Join(public, name)
		must(t, os.WriteFile(path, []byte(content[other]), 0o644))
		if v := w.verify(public, start); len(v.Problems) != 1 || v.Problems[0].File != name {
			t.Errorf("%s in place of %s, named:\n%s", other, name, problems(v))
		}
		must(t, os.WriteFile(path, []byte(content[name]), 0o644))
	}
}

// TestVerifyWithoutOlderBins: what is retired is not missed, and what still stands
// is read, over HTTP too.
func TestVerifyWithoutOlderBins(t *testing.T) {
	w := twice(t)
	public := w.path("public")
	older := binFiles(t, public)
	w.sign(start.Add(46 * 24 * time.Hour)) // every bin anew
	must(t, os.Remove(filepath.Join(public, older[0])))
	now := start.Add(46 * 24 * time.Hour)
	for _, location := range []string{public, serve(t, public)} {
		if v := w.verify(location, now); len(v.Problems) > 0 {
			t.Errorf("%s:\n%s", location, problems(v))
		}
	}
	flip(t, filepath.Join(public, older[1]), 10)
	for _, location := range []string{public, serve(t, public)} {
		if v := w.verify(location, now); len(v.Problems) != 1 || v.Problems[0].File != older[1] {
			t.Errorf("%s: %s flipped, named:\n%s", location, older[1], problems(v))
		}
	}
}

// TestClientKeepsBins reads a recipe twice, by two clients that share a folder:
// the first one's is renamed into place after its refresh.
func TestClientKeepsBins(t *testing.T) {
	w := published(t)
	var bins []string
	url := serveHandler(t, http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		if role, _, ok := trust.ParseName(strings.TrimPrefix(req.URL.Path, "/")); ok && role.IsBin() {
			bins = append(bins, req.URL.Path)
		}
		http.FileServer(http.Dir(w.path("public"))).ServeHTTP(rw, req)
	}))
	for _, want := range []int{1, 1} {
		c, err := w.open(url, ClientOptions{StateDir: w.path("state")})
		must(t, err)
		for range 2 {
			_, err = c.Recipe(t.Context(), "web")
			must(t, err)
		}
		if len(bins) != want {
			t.Errorf("bins %q were asked for, expected %d", bins, want)
		}
	}
	kept, err := filepath.Glob(w.path("state/*/bin-*.json"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("kept %q, %v", kept, err)
	}
	info, err := os.Stat(kept[0])
	must(t, err)
	if info.Mode() != 0o600 {
		t.Errorf("%s has mode %v", kept[0], info.Mode())
	}
}
