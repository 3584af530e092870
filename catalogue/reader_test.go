package catalogue

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestReaderWithoutGalley runs the reader of docs/examples, which is written from
// docs/catalogue.md alone: it reads what galley publishes and takes nothing else.
func TestReaderWithoutGalley(t *testing.T) {
	for _, program := range []string{"python3", "openssl"} {
		if _, err := exec.LookPath(program); err != nil {
			lacks(t, "it needs "+program)
		}
	}
	w := newWorld(t)
	now := time.Now() // the reader's clock is the real one
	_, err := Init(w.path("publisher"), InitOptions{Name: "Test", Now: now})
	must(t, err)
	w.web, w.proxy = webRepo(t), proxyRepo(t)
	w.build(config(w.web, w.proxy), w.path("build"))
	w.sign(now)
	public := w.path("public")
	root, err := os.ReadFile(filepath.Join(w.path("publisher"), RootName))
	must(t, err)
	read := func(fingerprint string, more ...string) (string, error) {
		args := append([]string{"../docs/examples/read_catalogue.py", serve(t, public), fingerprint, "web"}, more...)
		out, err := exec.CommandContext(t.Context(), "python3", args...).CombinedOutput()
		return string(out), err
	}
	entry := entryIn(t, public, "web", "1.1.0+1.1")
	want := []string{"web", "1.1.0+1.1"}
	for _, image := range entry.Images {
		want = append(want, image.Reference+"@"+image.Digest)
	}
	got, err := read(RootFingerprint(root))
	if err != nil || strings.TrimSpace(got) != strings.Join(want, "\n") {
		t.Fatalf("%v\n%s\nexpected\n%s", err, got, strings.Join(want, "\n"))
	}
	if got, err := read(RootFingerprint(root), "1.0.0+1.0"); err != nil || !strings.Contains(got, "web:1.0@sha256:") {
		t.Errorf("%v\n%s", err, got)
	}
	if got, err := read(strings.Repeat("0", 64)); err == nil {
		t.Errorf("another fingerprint was taken:\n%s", got)
	}
	for _, name := range []string{"metadata/timestamp.json", entry.Bundle.Path(), entryPath(headIn(t, public, "web").Newest().Entry)} {
		path := filepath.Join(public, name)
		data, err := os.ReadFile(path)
		must(t, err)
		flip(t, path, len(data)/2)
		if got, err := read(RootFingerprint(root)); err == nil {
			t.Errorf("%s was changed and taken:\n%s", name, got)
		}
		must(t, os.WriteFile(path, data, 0o644))
	}
}
