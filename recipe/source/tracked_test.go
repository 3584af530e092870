package source

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/galley-coop/galley/internal/fault"
)

func trackedIn(t *testing.T, dir string) string {
	t.Helper()
	tracked, err := open(t, dir, Options{}).Tracked(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(slices.Sorted(maps.Keys(tracked)), " ")
}

func TestTracked(t *testing.T) {
	r := newRepo(t)
	if got := trackedIn(t, r.dir); got != "" {
		t.Errorf("tracked = %q before anything was added", got)
	}
	r.write("compose.yml", "services: {}\n")
	r.write("sub/ü b.yml", "a: 1\n")
	r.commit("first")
	r.write("staged.yml", "a: 1\n")
	r.git("add", "staged.yml")
	r.write("new.yml", "a: 1\n")
	r.write("wanted.yml", "a: 1\n")
	r.git("add", "--intent-to-add", "wanted.yml")
	if got, want := trackedIn(t, r.dir), "compose.yml staged.yml sub/ü b.yml wanted.yml"; got != want {
		t.Errorf("tracked = %q, want %q", got, want)
	}
	for _, version := range []string{"2", "3", "4"} {
		r.git("update-index", "--index-version", version)
		if got, want := trackedIn(t, r.dir), "compose.yml staged.yml sub/ü b.yml wanted.yml"; got != want {
			t.Errorf("tracked = %q in an index of version %s, want %q", got, version, want)
		}
	}
}

func TestTrackedOfALinkedWorkTree(t *testing.T) {
	r := newRepo(t)
	r.write("compose.yml", "services: {}\n")
	r.commit("first")
	linked := filepath.Join(t.TempDir(), "linked")
	r.git("worktree", "add", "--quiet", "-b", "other", linked)
	other := repo{t, linked}
	other.write("second.yml", "a: 1\n")
	other.git("add", "second.yml")
	if got, want := trackedIn(t, linked), "compose.yml second.yml"; got != want {
		t.Errorf("tracked = %q, want the linked work tree's own index: %q", got, want)
	}
	if got, want := trackedIn(t, r.dir), "compose.yml"; got != want {
		t.Errorf("tracked = %q, want %q", got, want)
	}
}

func TestTrackedRefuses(t *testing.T) {
	bare := newRepo(t, "--bare")
	if _, err := open(t, bare.dir, Options{}).Tracked(t.Context()); fault.KindOf(err) != fault.Usage {
		t.Errorf("a bare repository: error = %v, want one of kind usage", err)
	}
	r := newRepo(t)
	r.write("compose.yml", "services: {}\n")
	r.commit("first")
	name := filepath.Join(r.dir, ".git", "index")
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-1] ^= 1
	for what, data := range map[string][]byte{"cut": whole[:len(whole)/2], "empty": {}, "noise": []byte("DIRC\x00\x00\x00\x02\xff\xff\xff\xff"), "a wrong sum": flipped} {
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := open(t, r.dir, Options{}).Tracked(t.Context())
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(fault.HintOf(err), "git -C") {
			t.Errorf("%s: error = %v (hint %q), want ErrCorrupt and a hint", what, err, fault.HintOf(err))
		}
	}
}
