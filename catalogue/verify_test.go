package catalogue

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/lint"
)

// twice is a published catalogue with older metadata, older copies and entries
// that only the older state names: the second build judged everything anew.
func twice(t testing.TB) *world {
	t.Helper()
	w := published(t)
	_, err := Build(t.Context(), config(w.web, w.proxy), BuildOptions{
		Output: w.path("build"), Resolver: w.resolver(""), Rules: []lint.Rule{refuseRule}, Relint: true,
	})
	must(t, err)
	w.release()
	w.sign(start.Add(time.Hour))
	return w
}

func TestVerify(t *testing.T) {
	w := twice(t)
	for _, location := range []string{w.path("public"), serve(t, w.path("public"))} {
		v := w.verify(location, start.Add(2*time.Hour))
		if len(v.Problems) > 0 || v.Recipes != 2 || v.Versions != 4 || v.Fingerprint == "" || v.Bytes == 0 {
			t.Errorf("%s: %+v", location, v)
		}
		if err := v.Err(); err != nil {
			t.Error(err)
		}
		if location == w.path("public") && v.Checked != len(snapshotOf(t, location)) {
			t.Errorf("checked %d files of %d", v.Checked, len(snapshotOf(t, location)))
		}
	}
}

// TestVerifyNamesEveryFlippedFile flips one byte at several places of each file,
// and sees that this file is named, and a client refuses where it reads it.
func TestVerifyNamesEveryFlippedFile(t *testing.T) {
	w := twice(t)
	public := w.path("public")
	read := recordReads(t, public)
	for name, content := range snapshotOf(t, public) {
		path := filepath.Join(public, name)
		for _, at := range []int{0, len(content) / 2, len(content) - 1} {
			flip(t, path, at)
			v := w.verify(public, start.Add(2*time.Hour))
			if len(v.Problems) != 1 || v.Problems[0].File != name {
				t.Errorf("byte %d of %s flipped, named:\n%s", at, name, problems(v))
			}
			if fault.KindOf(v.Err()) != fault.Refused {
				t.Errorf("%s: error %v is not a refusal", name, v.Err())
			}
			if err := w.clientError(public); read[name] != (fault.KindOf(err) == fault.Refused) || read[name] && !strings.Contains(err.Error(), name) {
				t.Errorf("byte %d of %s flipped (read: %v): client says %v", at, name, read[name], err)
			}
			flip(t, path, at)
		}
	}
	if v := w.verify(public, start.Add(2*time.Hour)); len(v.Problems) > 0 {
		t.Errorf("after putting everything back: %s", problems(v))
	}
}

// clientError is what a fresh client says when it reads everything.
func (w *world) clientError(location string) error {
	c, err := Open(w.t.Context(), location, ClientOptions{Now: start.Add(2 * time.Hour)})
	if err != nil {
		return err
	}
	defer c.Close()
	return readAll(w.t.Context(), c)
}

// recordReads is the set of files that a fresh client reads.
func recordReads(t testing.TB, public string) map[string]bool {
	t.Helper()
	read := map[string]bool{}
	url := serveHandler(t, http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		read[strings.TrimPrefix(req.URL.Path, "/")] = true
		http.FileServer(http.Dir(public)).ServeHTTP(rw, req)
	}))
	c, err := Open(t.Context(), url, ClientOptions{Now: start.Add(2 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := readAll(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return read
}

func TestVerifyNamesMissingFiles(t *testing.T) {
	w := published(t)
	public := w.path("public")
	for name, content := range snapshotOf(t, public) {
		path := filepath.Join(public, name)
		must(t, os.Remove(path))
		v := w.verify(public, start)
		if len(v.Problems) != 1 || v.Problems[0] != (FileProblem{name, "is missing"}) {
			t.Errorf("%s removed, named:\n%s", name, problems(v))
		}
		must(t, os.WriteFile(path, []byte(content), 0o644))
	}
}

func TestVerifyNamesForeignFiles(t *testing.T) {
	w := published(t)
	public := w.path("public")
	for name, want := range map[string]string{
		"index.html":                      "is not part of the catalogue",
		"v1/recipes/ghost.json":           "is not part of the catalogue",
		"v1/index.json.bak":               "is not part of the catalogue",
		"metadata/3.timestamp.json":       "is not part of the catalogue",
		"metadata/9.targets.json":         "is not metadata of its role",
		"metadata/9.bin-0.json":           "is not metadata of its role",
		"metadata/9.bin-00.json":          "is not metadata of its role",
		"metadata/9.bin-x.json":           "is not part of the catalogue",
		"metadata/7.root.json":            "is not part of the chain of roots",
		bundlesDir + "/" + zeros + ".tar": "is not the file that its name says",
		"v1/" + zeros + ".index.json":     "is not the file that its name says",
	} {
		path := filepath.Join(public, name)
		must(t, os.WriteFile(path, []byte("{}"), 0o644))
		v := w.verify(public, start)
		if len(v.Problems) != 1 || v.Problems[0].File != name || !strings.Contains(v.Problems[0].Reason, want) {
			t.Errorf("%s: expected %q, named:\n%s", name, want, problems(v))
		}
		must(t, os.Remove(path))
	}
	must(t, os.Symlink("recipes.json", filepath.Join(public, "link.json")))
	if v := w.verify(public, start); problems(v) != "link.json is not a regular file" {
		t.Errorf("link named as:\n%s", problems(v))
	}
}

const zeros = "0000000000000000000000000000000000000000000000000000000000000000"

func TestVerifyLeftovers(t *testing.T) {
	w := published(t)
	left := disk.Scratch + "/abc"
	must(t, os.MkdirAll(filepath.Join(w.path("public"), disk.Scratch), 0o755))
	must(t, os.WriteFile(filepath.Join(w.path("public"), left), []byte("half"), 0o644))
	v := w.verify(w.path("public"), start)
	if len(v.Problems) > 0 || !cmp.Equal(v.Leftovers, []string{left}) {
		t.Errorf("leftovers %q, problems:\n%s", v.Leftovers, problems(v))
	}
}

func TestVerifyExpired(t *testing.T) {
	w := published(t)
	v := w.verify(w.path("public"), start.Add((14+3)*24*time.Hour))
	if problems(v) != "metadata/timestamp.json expired 3 days ago" {
		t.Error(problems(v))
	}
	v = w.verify(w.path("public"), start.AddDate(2, 0, 0))
	if bins := 8; len(v.Problems) != 4+bins {
		t.Errorf("after two years all four roles and the bins are expired, named:\n%s", problems(v))
	}
}

func TestVerifyPinnedRoot(t *testing.T) {
	w := published(t)
	root, err := os.ReadFile(w.signOptions(start).Root)
	must(t, err)
	v, err := Verify(t.Context(), w.path("public"), VerifyOptions{Root: root, Now: start})
	must(t, err)
	if len(v.Problems) > 0 {
		t.Error(problems(v))
	}
	other := published(t)
	root, err = os.ReadFile(other.signOptions(start).Root)
	must(t, err)
	v, err = Verify(t.Context(), w.path("public"), VerifyOptions{Root: root, Now: start})
	must(t, err)
	if problems(v) != "metadata/1.root.json does not lead to the pinned root, or from it" {
		t.Error(problems(v))
	}
}

func TestVerifyOverHTTPNamesWhatIsWrong(t *testing.T) {
	w := twice(t)
	public := w.path("public")
	url := serve(t, public)
	content := snapshotOf(t, public)
	for _, name := range []string{trust.TimestampName, "recipes.json", trust.Name(trust.Targets, 1), "v1/recipes/web.json", trust.RootCopyName} {
		flip(t, filepath.Join(public, name), len(content[name])/2)
		if v := w.verify(url, start.Add(2*time.Hour)); len(v.Problems) != 1 || v.Problems[0].File != name {
			t.Errorf("%s flipped, named:\n%s", name, problems(v))
		}
		flip(t, filepath.Join(public, name), len(content[name])/2)
	}
}

func TestVerifyNothingThere(t *testing.T) {
	_, err := Verify(t.Context(), filepath.Join(t.TempDir(), "no"), VerifyOptions{})
	wants(t, err, fault.Unavailable, "no such file")
	url := serveHandler(t, http.NotFoundHandler())
	v, err := Verify(t.Context(), url, VerifyOptions{})
	must(t, err)
	if v.Err() == nil {
		t.Error("an empty host verified")
	}
	_, err = Verify(t.Context(), "http://127.0.0.1:1/", VerifyOptions{Timeout: time.Second})
	wants(t, err, fault.Unavailable, "127.0.0.1:1")
}

// TestVerifyLeavesEverythingAsItIs also holds for a folder that cannot be written.
func TestVerifyLeavesEverythingAsItIs(t *testing.T) {
	w := published(t)
	before := snapshotOf(t, w.dir)
	w.verify(w.path("public"), start)
	if diff := cmp.Diff(before, snapshotOf(t, w.dir)); diff != "" {
		t.Error(diff)
	}
}
