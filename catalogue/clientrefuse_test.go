package catalogue

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
)

func TestClientRefusesExpired(t *testing.T) {
	w := published(t)
	state := w.path("state")
	_, err := w.open(w.path("public"), ClientOptions{StateDir: state})
	must(t, err)
	late := start.Add((14 + 3) * 24 * time.Hour)
	for _, opts := range []ClientOptions{{StateDir: state, Now: late}, {Now: late}} { // seen before, and never
		_, err := w.open(w.path("public"), opts)
		wants(t, err, fault.Refused, "metadata/timestamp.json expired 3 days ago")
		if !strings.Contains(fault.HintOf(err), "the publisher must refresh") {
			t.Errorf("hint %q", fault.HintOf(err))
		}
	}
	_, err = w.open(w.path("public"), ClientOptions{Now: start.AddDate(1, 0, 2)})
	wants(t, err, fault.Refused, "metadata/1.root.json expired 2 days ago")
	w.sign(late)
	_, err = w.open(w.path("public"), ClientOptions{StateDir: state, Now: late})
	must(t, err)
}

func TestClientRefusesRollback(t *testing.T) {
	w := published(t)
	old := w.path("old")
	copyTree(t, w.path("public"), old)
	for i := range 4 {
		w.sign(start.Add(time.Duration(i+1) * time.Hour))
	}
	state := w.path("state")
	// One address, whose folder is replaced behind it.
	served := w.path("public")
	url := serveHandler(t, http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		http.FileServer(http.Dir(served)).ServeHTTP(rw, req)
	}))
	_, err := w.open(url, ClientOptions{StateDir: state})
	must(t, err)
	before := snapshotOf(t, state)
	served = old
	_, err = w.open(url, ClientOptions{StateDir: state})
	wants(t, err, fault.Refused, "metadata/timestamp.json is older than seen: version 1 < 5")
	if diff := cmp.Diff(before, snapshotOf(t, state)); diff != "" {
		t.Error(diff)
	}
	// A freeze: the same old state for ever is only told by its age.
	served = w.path("public")
	_, err = w.open(url, ClientOptions{StateDir: state, Now: start.Add(15 * 24 * time.Hour)})
	wants(t, err, fault.Refused, "timestamp.json expired")
	_, err = w.open(url, ClientOptions{StateDir: state})
	must(t, err)
}

// TestClientRefusesMixAndMatch serves a new timestamp with an older snapshot
// under its name.
func TestClientRefusesMixAndMatch(t *testing.T) {
	w := twice(t)
	public := w.path("public")
	data, err := os.ReadFile(filepath.Join(public, trust.Name(trust.Snapshot, 1)))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(public, trust.Name(trust.Snapshot, 2)), data, 0o644))
	_, err = w.open(public, ClientOptions{})
	wants(t, err, fault.Refused, "metadata/2.snapshot.json is not the file that was signed")
}

func TestClientPinnedRoot(t *testing.T) {
	w, other := published(t), published(t)
	pinned, err := os.ReadFile(w.signOptions(start).Root)
	must(t, err)
	wrong, err := os.ReadFile(other.signOptions(start).Root)
	must(t, err)
	state := w.path("state")

	_, err = w.open(w.path("public"), ClientOptions{StateDir: state, Root: wrong})
	wants(t, err, fault.Refused, "metadata/timestamp.json is not signed by the keys that the root names")
	if !strings.Contains(fault.HintOf(err), "may be of another catalogue") {
		t.Errorf("hint %q", fault.HintOf(err))
	}
	c, err := w.open(w.path("public"), ClientOptions{StateDir: state, Root: pinned})
	must(t, err)
	if c.Info().FirstUse || c.Info().Fingerprint != RootFingerprint(pinned) {
		t.Errorf("info %+v", c.Info())
	}
	_, err = w.open(w.path("public"), ClientOptions{StateDir: state, Root: wrong})
	wants(t, err, fault.Refused, "timestamp.json")
	_, err = w.open(w.path("public"), ClientOptions{StateDir: state, Root: []byte("{}")})
	wants(t, err, fault.Refused, "the pinned root")
	_, err = w.open(w.path("public"), ClientOptions{StateDir: state})
	must(t, err)
}

// TestClientRefusesAnotherRoot serves another publisher's catalogue where one was
// trusted before.
func TestClientRefusesAnotherRoot(t *testing.T) {
	w, other := published(t), published(t)
	served := w.path("public")
	url := serveHandler(t, http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		http.FileServer(http.Dir(served)).ServeHTTP(rw, req)
	}))
	_, err := w.open(url, ClientOptions{StateDir: w.path("state")})
	must(t, err)
	served = other.path("public")
	_, err = w.open(url, ClientOptions{StateDir: w.path("state")})
	wants(t, err, fault.Refused, "metadata/timestamp.json is not signed by the keys that the root names")
}

func TestClientFirstUseThatFailsLeavesNothing(t *testing.T) {
	w := published(t)
	flip(t, filepath.Join(w.path("public"), trust.TimestampName), 100)
	_, err := w.open(w.path("public"), ClientOptions{StateDir: w.path("state")})
	if err == nil {
		t.Fatal("no error")
	}
	entries, err := os.ReadDir(w.path("state"))
	must(t, err)
	for _, e := range entries {
		if e.Name() != ".lock" {
			t.Errorf("%s was left", e.Name())
		}
	}
}

func TestClientDamagedState(t *testing.T) {
	w := published(t)
	_, err := w.open(w.path("public"), ClientOptions{StateDir: w.path("state")})
	must(t, err)
	roots, err := filepath.Glob(w.path("state/*/root.json"))
	if err != nil || len(roots) != 1 {
		t.Fatal(roots, err)
	}
	flip(t, roots[0], 0)
	_, err = w.open(w.path("public"), ClientOptions{StateDir: w.path("state")})
	wants(t, err, fault.Refused, "cannot be read")
}
