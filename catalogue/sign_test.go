package catalogue

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
)

func versionsOf(s *Signed) map[string]int64 {
	versions := map[string]int64{}
	for _, r := range s.Roles {
		versions[r.Role] = r.Version
	}
	return versions
}

func TestSignAgainWithoutChange(t *testing.T) {
	w := published(t)
	before := snapshotOf(t, w.path("public"))
	signed := w.sign(start.Add(24 * time.Hour))
	if diff := cmp.Diff(map[string]int64{"root": 1, "targets": 1, "snapshot": 1, "timestamp": 2}, versionsOf(signed)); diff != "" {
		t.Error(diff)
	}
	if signed.Written+signed.SignedBins+signed.Removed != 0 {
		t.Errorf("wrote %d files, signed %d bins, removed %d files, expected none", signed.Written, signed.SignedBins, signed.Removed)
	}
	after := snapshotOf(t, w.path("public"))
	delete(before, trust.TimestampName)
	delete(after, trust.TimestampName)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Error(diff)
	}
}

func TestSignKeepsAQuietCatalogueAlive(t *testing.T) {
	w := published(t)
	signed := w.sign(start.Add(46 * 24 * time.Hour)) // past half of 90 days
	if diff := cmp.Diff(map[string]int64{"root": 1, "targets": 2, "snapshot": 2, "timestamp": 2}, versionsOf(signed)); diff != "" {
		t.Error(diff)
	}
	if v := w.verify(w.path("public"), start.Add(50*24*time.Hour)); len(v.Problems) > 0 {
		t.Error(problems(v))
	}
}

func TestSignFollowsAChange(t *testing.T) {
	w := published(t)
	before := snapshotOf(t, w.path("public"))
	w.release()
	signed := w.sign(start.Add(time.Hour))
	if diff := cmp.Diff(map[string]int64{"root": 1, "targets": 1, "snapshot": 2, "timestamp": 2}, versionsOf(signed)); diff != "" {
		t.Error(diff)
	}
	after := snapshotOf(t, w.path("public"))
	for name := range before {
		if _, _, hashed := targetOf(name); (hashed || isContent(name)) && after[name] != before[name] {
			t.Errorf("%s, which older metadata names, is gone", name)
		}
	}
	if v := w.verify(w.path("public"), start.Add(2*time.Hour)); len(v.Problems) > 0 || v.Versions != 4 {
		t.Errorf("%d versions\n%s", v.Versions, problems(v))
	}
}

func TestSignHealsWhatWasDamaged(t *testing.T) {
	w := published(t)
	before := snapshotOf(t, w.path("public"))
	for name := range before {
		if !strings.HasPrefix(name, trust.Folder+"/") {
			flip(t, filepath.Join(w.path("public"), name), 0)
		}
	}
	w.sign(start.Add(time.Hour))
	if v := w.verify(w.path("public"), start.Add(time.Hour)); len(v.Problems) > 0 {
		t.Error(problems(v))
	}
}

func TestSignRefusesWhatIsNotABuild(t *testing.T) {
	w := newWorld(t)
	w.begin()
	w.build(config(webRepo(t), proxyRepo(t)), w.path("good"))
	good := snapshotOf(t, w.path("good"))
	for _, name := range names(good) {
		t.Run("flipped "+filepath.Base(name), func(t *testing.T) {
			copyTree(t, w.path("good"), w.path("build"))
			defer os.RemoveAll(w.path("build"))
			flip(t, filepath.Join(w.path("build"), name), len(good[name])/2)
			w.refusesToSign(t, name)
		})
		t.Run("missing "+filepath.Base(name), func(t *testing.T) {
			copyTree(t, w.path("good"), w.path("build"))
			defer os.RemoveAll(w.path("build"))
			if err := os.Remove(filepath.Join(w.path("build"), name)); err != nil {
				t.Fatal(err)
			}
			w.refusesToSign(t, "")
		})
	}
	t.Run("foreign", func(t *testing.T) {
		copyTree(t, w.path("good"), w.path("build"))
		defer os.RemoveAll(w.path("build"))
		if err := os.Symlink("/etc/passwd", filepath.Join(w.path("build"), "recipes.json.bak")); err != nil {
			t.Fatal(err)
		}
		w.refusesToSign(t, "recipes.json.bak")
	})
}

func (w *world) refusesToSign(t *testing.T, text string) {
	t.Helper()
	_, err := Sign(t.Context(), w.signOptions(start))
	wants(t, err, fault.Refused, text)
	if _, err := os.Stat(w.path("public")); err == nil {
		t.Error("something was published")
	}
}

func TestSignKeys(t *testing.T) {
	tests := []struct {
		name string
		harm func(t *testing.T, keys string)
		kind fault.Kind
		want string
	}{
		{"missing", func(t *testing.T, keys string) { must(t, os.Remove(filepath.Join(keys, "targets.pem"))) }, fault.Unavailable, "targets.pem"},
		{"open to others", func(t *testing.T, keys string) { must(t, os.Chmod(filepath.Join(keys, "snapshot.pem"), 0o640)) }, fault.Refused, "others may read it (mode 0640)"},
		{"garbage", func(t *testing.T, keys string) {
			must(t, os.WriteFile(filepath.Join(keys, "timestamp.pem"), []byte("SECRET"), 0o600))
		}, fault.Unavailable, "expected one ed25519 private key"},
		{"of another root", func(t *testing.T, keys string) {
			must(t, os.Rename(filepath.Join(keys, "root.pem"), filepath.Join(keys, "targets.pem")))
		}, fault.Refused, "does not name the key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := published(t)
			before := snapshotOf(t, w.path("public"))
			tt.harm(t, w.signOptions(start).Keys)
			_, err := Sign(t.Context(), w.signOptions(start.Add(time.Hour)))
			wants(t, err, tt.kind, tt.want)
			if strings.Contains(err.Error(), "SECRET") {
				t.Error("the error shows what is in a key file")
			}
			if diff := cmp.Diff(before, snapshotOf(t, w.path("public"))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestSignNeedsNoRootKey is what lets the root key stay offline.
func TestSignNeedsNoRootKey(t *testing.T) {
	w := published(t)
	must(t, os.Remove(filepath.Join(w.signOptions(start).Keys, "root.pem")))
	w.sign(start.Add(time.Hour))
}

func TestSignRefusesAnotherRoot(t *testing.T) {
	w := published(t)
	must(t, os.RemoveAll(w.path("publisher")))
	w.begin()
	_, err := Sign(t.Context(), w.signOptions(start))
	wants(t, err, fault.Refused, "does not go with what is published")
}

func TestSignRefusesAnExpiredRoot(t *testing.T) {
	w := published(t)
	_, err := Sign(t.Context(), w.signOptions(start.AddDate(1, 0, 2)))
	wants(t, err, fault.Refused, "root.json expired 2 days ago")
}

func TestSignWarnsOfTheRootsEnd(t *testing.T) {
	w := published(t)
	signed := w.sign(start.Add(350 * 24 * time.Hour))
	if len(signed.Warnings) != 1 || !strings.Contains(signed.Warnings[0], "15 days") {
		t.Errorf("warnings %q", signed.Warnings)
	}
}

func TestSignRefusesABrokenChain(t *testing.T) {
	w := published(t)
	for _, name := range []string{trust.TimestampName, trust.Name(trust.Snapshot, 1), trust.Name(trust.Targets, 1), trust.Name(trust.Root, 1)} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(w.path("public"), name)
			data, err := os.ReadFile(path)
			must(t, err)
			flip(t, path, len(data)/2)
			defer func() { must(t, os.WriteFile(path, data, 0o644)) }()
			_, err = Sign(t.Context(), w.signOptions(start))
			wants(t, err, fault.Refused, name)
		})
	}
}

// TestSignAfterAnInterruptedOne stands in for a kill between any two writes: the
// last state without its timestamp, and without some of the files before it.
func TestSignAfterAnInterruptedOne(t *testing.T) {
	w := published(t)
	must(t, os.Remove(filepath.Join(w.path("public"), trust.TimestampName)))
	must(t, os.MkdirAll(filepath.Join(w.path("public"), disk.Scratch), 0o755))
	must(t, os.WriteFile(filepath.Join(w.path("public"), disk.Scratch, "half"), []byte("x"), 0o644))
	signed := w.sign(start)
	if diff := cmp.Diff(map[string]int64{"root": 1, "targets": 2, "snapshot": 2, "timestamp": 1}, versionsOf(signed)); diff != "" {
		t.Error(diff)
	}
	if v := w.verify(w.path("public"), start); len(v.Problems)+len(v.Leftovers) > 0 {
		t.Error(problems(v), v.Leftovers)
	}
}

func TestSignIntoItself(t *testing.T) {
	w := published(t)
	opts := w.signOptions(start)
	opts.Public = opts.Build
	_, err := Sign(t.Context(), opts)
	wants(t, err, fault.Usage, "read and published at once")
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestPublishedLayout(t *testing.T) {
	w := published(t)
	files := snapshotOf(t, w.path("public"))
	build := snapshotOf(t, w.path("build"))
	want := map[string]bool{
		"metadata/1.root.json": true, "metadata/root.json": true, "metadata/1.targets.json": true,
		"metadata/1.snapshot.json": true, "metadata/timestamp.json": true,
	}
	for name, content := range build {
		want[name] = true
		if isTarget(name) {
			want[trust.HashedName(name, hashOf([]byte(content)))] = true
		}
	}
	for i := range 8 { // bins, the number for so few recipes
		want[fmt.Sprintf("metadata/%d.bin-%d.json", i+1, i)] = true
	}
	got := map[string]bool{}
	for name := range maps.Keys(files) {
		got[name] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
