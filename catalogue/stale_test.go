package catalogue

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galley-coop/galley/catalogue/trust"
)

// TestStalePlainFiles is what a sign that was killed after the timestamp leaves:
// it is noted, and put right by the next sign and by a publication.
func TestStalePlainFiles(t *testing.T) {
	w := published(t)
	older := snapshotOf(t, w.path("public"))
	w.release()
	now := start.Add(time.Hour)
	w.sign(now)
	stale := []string{recipesName, indexName, recipePath("web")}
	for _, name := range stale {
		must(t, os.WriteFile(filepath.Join(w.path("public"), name), []byte(older[name]), 0o644))
	}
	for _, location := range []string{w.path("public"), serve(t, w.path("public"))} {
		v := w.verify(location, now)
		if diff := cmp.Diff(stale, v.Stale); diff != "" || len(v.Problems) > 0 {
			t.Errorf("%s\n%s", diff, problems(v))
		}
	}
	for _, target := range []string{w.path("www"), registryTarget(t)} {
		_, err := Publish(t.Context(), PublishOptions{Public: w.path("public"), Target: target, Now: now})
		must(t, err)
		if v := w.verify(target, now); len(v.Problems)+len(v.Stale) > 0 || v.Versions != 4 {
			t.Errorf("%s: %d versions, stale %q\n%s", target, v.Versions, v.Stale, problems(v))
		}
	}
	for _, name := range stale {
		path := filepath.Join(w.path("public"), name)
		flip(t, path, len(older[name])/2)
		if v := w.verify(w.path("public"), now); len(v.Problems) != 1 || v.Problems[0].File != name {
			t.Errorf("%s flipped, named:\n%s", name, problems(v))
		}
		flip(t, path, len(older[name])/2)
	}
	w.sign(now)
	if v := w.verify(w.path("public"), now); len(v.Problems)+len(v.Stale) > 0 {
		t.Errorf("after the next sign stale %q\n%s", v.Stale, problems(v))
	}
}

// TestUnannouncedPlainFile is what a sign of another build leaves that was killed
// before the timestamp: the file of a recipe that nobody was told of.
func TestUnannouncedPlainFile(t *testing.T) {
	w := published(t)
	before, timestamp := snapshotOf(t, w.path("public")), filepath.Join(w.path("public"), trust.TimestampName)
	old := w.path("old")
	copyTree(t, w.path("build"), old)
	w.build(Config{Name: "Test", Sources: manySources(w.web, w.proxy, 1)}, w.path("build"))
	now := start.Add(time.Hour)
	w.sign(now)
	for name, content := range before {
		must(t, os.WriteFile(filepath.Join(w.path("public"), name), []byte(content), 0o644))
	}
	must(t, os.WriteFile(timestamp, []byte(before[trust.TimestampName]), 0o644))
	unannounced := recipePath("proxy-0")
	v := w.verify(w.path("public"), now)
	if diff := cmp.Diff([]string{unannounced}, v.Stale); diff != "" || len(v.Problems) > 0 {
		t.Errorf("%s\n%s", diff, problems(v))
	}
	target := w.path("www")
	_, err := Publish(t.Context(), PublishOptions{Public: w.path("public"), Target: target, Now: now})
	must(t, err)
	if exists(filepath.Join(target, unannounced)) {
		t.Error("it was published")
	}
	must(t, os.Rename(old, w.path("again")))
	options := w.signOptions(now)
	options.Build = w.path("again")
	_, err = Sign(t.Context(), options)
	must(t, err)
	if v := w.verify(w.path("public"), now); len(v.Problems)+len(v.Stale) > 0 || exists(filepath.Join(w.path("public"), unannounced)) {
		t.Errorf("after the next sign stale %q\n%s", v.Stale, problems(v))
	}
}

// rotated is a world in which a root stands ready that names another key for a
// role.
func rotated(t testing.TB, role trust.Role) *world {
	t.Helper()
	w := published(t)
	box := KeyOptions{Keys: w.signOptions(start).Keys, Root: w.signOptions(start).Root, Now: start}
	_, err := RotateKey(box, Rotation{Role: role})
	must(t, err)
	_, err = SignProposal(box)
	must(t, err)
	return w
}

func TestStaleCopyOfTheRoot(t *testing.T) {
	w := rotated(t, trust.Timestamp)
	name := filepath.Join(w.path("public"), trust.RootCopyName)
	older, err := os.ReadFile(name)
	must(t, err)
	now := start.Add(time.Hour)
	w.sign(now)
	must(t, os.WriteFile(name, older, 0o644))
	for _, location := range []string{w.path("public"), serve(t, w.path("public"))} {
		v := w.verify(location, now)
		if diff := cmp.Diff([]string{trust.RootCopyName}, v.Stale); diff != "" || len(v.Problems) > 0 {
			t.Errorf("%s\n%s", diff, problems(v))
		}
	}
	_, err = Refresh(t.Context(), RefreshOptions{Public: w.path("public"), Keys: w.signOptions(now).Keys, Now: now})
	must(t, err)
	if v := w.verify(w.path("public"), now); len(v.Problems)+len(v.Stale) > 0 {
		t.Errorf("after a refresh stale %q\n%s", v.Stale, problems(v))
	}
	flip(t, name, len(older)/2)
	if v := w.verify(w.path("public"), now); len(v.Problems) != 1 || v.Problems[0].File != trust.RootCopyName {
		t.Errorf("flipped, named:\n%s", problems(v))
	}
}
