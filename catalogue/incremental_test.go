package catalogue

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/go-cmp/cmp"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/internal/localregistry"
	"github.com/galley-coop/galley/lint"
)

// again builds into the world's folder with a cache, as a timer would.
func (w *world) again(cfg Config, change func(*BuildOptions)) *Report {
	w.t.Helper()
	opts := BuildOptions{
		Output: w.path("build"), Resolver: w.resolver(""), Rules: []lint.Rule{refuseRule, warnRule}, Now: start, CacheDir: w.path("cache"),
	}
	if change != nil {
		change(&opts)
	}
	report, err := Build(w.t.Context(), cfg, opts)
	if err != nil {
		w.t.Fatal(err)
	}
	return report
}

// sourceReport is a source's part of a report.
func sourceReport(t testing.TB, r *Report, name string) SourceReport {
	t.Helper()
	for _, s := range r.Sources {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no source %q in the report", name)
	return SourceReport{}
}

// TestBuildUnchangedAsksNothing counts: no request, no file of a recipe, no write.
func TestBuildUnchangedAsksNothing(t *testing.T) {
	w := newWorld(t)
	web, proxy := webRepo(t), proxyRepo(t)
	web.git("tag", "9.9.9+1.0") // refused for good
	first := w.again(config(web, proxy), nil)
	before := snapshotOf(t, w.path("build"))
	w.registry.Close()

	second := w.again(config(web, proxy), nil)
	if q := second.Requests; q.References+int(q.Heads+q.Gets+q.Auths) != 0 {
		t.Errorf("requests of an unchanged build: %+v", q)
	}
	// The ledger, the index and recipes.json.
	if diff := cmp.Diff(Files{Read: 3}, second.Files); diff != "" {
		t.Error(diff)
	}
	if first.New != 3 || second.New != 0 || second.Versions != 3 {
		t.Errorf("%d new, then %d new of %d", first.New, second.New, second.Versions)
	}
	if diff := cmp.Diff(sourceReport(t, first, "web").Refused, sourceReport(t, second, "web").Refused); diff != "" || second.Refused != 1 {
		t.Errorf("%d refused\n%s", second.Refused, diff)
	}
	if diff := cmp.Diff(before, snapshotOf(t, w.path("build"))); diff != "" {
		t.Error(diff)
	}
}

// TestBuildNewVersionCostsItsRecipe counts what one new version among many
// recipes reads and asks: the same for two other recipes as for thirty.
func TestBuildNewVersionCostsItsRecipe(t *testing.T) {
	cost := func(others int) (Files, int64) {
		w := newWorld(t)
		web := webRepo(t)
		cfg := config(web)
		for i := range others {
			r := proxyRepo(t)
			cfg.Sources = append(cfg.Sources, Source{Name: "proxy" + string(rune('a'+i)), Path: r.dir, Gate: "error"})
		}
		w.again(cfg, nil)
		web.write("compose.yml", compose("1.2"))
		web.release("1.2.0+1.2")
		report := w.again(cfg, nil)
		if report.New != 1 {
			t.Fatalf("%d new versions, expected 1", report.New)
		}
		return report.Files, report.Requests.Heads
	}
	few, heads := cost(2)
	many, manyHeads := cost(20)
	if few != many || heads != manyHeads {
		t.Errorf("with 2 other recipes %+v and %d HEADs, with 20 %+v and %d", few, heads, many, manyHeads)
	}
	// web has two images: of the app, and of an overlay's database.
	if heads != 2 {
		t.Errorf("%d HEADs, expected 2", heads)
	}
}

func TestBuildMovedTag(t *testing.T) {
	w := newWorld(t)
	web := webRepo(t)
	w.again(config(web), nil)
	before := snapshotOf(t, w.path("build"))
	published := web.git("rev-parse", "HEAD")
	web.write("compose.yml", compose("1.2"))
	web.commit()
	web.git("tag", "-f", "-a", "-m", "again", "1.1.0+1.1")

	for range 2 { // it stays an error
		report := w.again(config(web), nil)
		want := []Moved{{Version: "1.1.0+1.1", Published: published, Now: web.git("rev-parse", "HEAD")}}
		if diff := cmp.Diff(want, sourceReport(t, report, "web").Moved); diff != "" || report.Moved != 1 {
			t.Errorf("%d moved\n%s", report.Moved, diff)
		}
		if diff := cmp.Diff(before, snapshotOf(t, w.path("build"))); diff != "" {
			t.Error(diff)
		}
	}
}

func TestBuildRemovedTag(t *testing.T) {
	w := newWorld(t)
	web := webRepo(t)
	w.again(config(web), nil)
	before := snapshotOf(t, w.path("build"))
	tag := web.git("rev-parse", "1.1.0+1.1")
	web.git("tag", "-d", "1.1.0+1.1")

	report := w.again(config(web), nil)
	head := headIn(t, w.path("build"), "web")
	release := head.Release("1.1.0+1.1")
	if report.Versions != 2 || release == nil || release.Withdrawn == nil || release.Withdrawn.Kind != Removed {
		t.Fatalf("%d versions, release %+v", report.Versions, release)
	}
	if newest := head.Newest(); newest.Version != "1.0.0+1.0" {
		t.Errorf("newest is %s", newest.Version)
	}
	if newest := sourceReport(t, report, "web").Newest(); newest != "1.0.0+1.0" {
		t.Errorf("the report's newest is %q", newest)
	}
	recipes := snapshotOf(t, w.path("build"))[recipesName]
	if strings.Contains(recipes, "1.1.0+1.1") {
		t.Error("recipes.json offers a withdrawn version")
	}

	web.git("update-ref", "refs/tags/1.1.0+1.1", tag)
	w.again(config(web), nil)
	if diff := cmp.Diff(before, snapshotOf(t, w.path("build"))); diff != "" {
		t.Errorf("the tag is back: %s", diff)
	}
}

func TestBuildSourceTakenOut(t *testing.T) {
	w := newWorld(t)
	web, proxy := webRepo(t), proxyRepo(t)
	w.again(config(web, proxy), nil)
	report := w.again(config(web), nil)
	withdrawn := sourceReport(t, report, "proxy").Withdrawn
	if report.Recipes != 2 || len(withdrawn) != 1 || !strings.Contains(withdrawn[0].Reason, "no longer in the configuration") {
		t.Errorf("%d recipes, withdrawn %+v", report.Recipes, withdrawn)
	}
}

func TestBuildSourceDownKeepsItsState(t *testing.T) {
	w := newWorld(t)
	web, proxy := webRepo(t), proxyRepo(t)
	w.again(config(web, proxy), nil)
	before := snapshotOf(t, w.path("build"))
	must(t, os.Rename(web.dir, web.dir+"-away"))
	report := w.again(config(web, proxy), nil)
	if len(report.Failed()) != 1 || report.Versions != 3 || len(sourceReport(t, report, "web").Published) != 2 {
		t.Errorf("%d failed, %d versions", len(report.Failed()), report.Versions)
	}
	if diff := cmp.Diff(before, snapshotOf(t, w.path("build"))); diff != "" {
		t.Error(diff)
	}
}

func TestBuildYank(t *testing.T) {
	w := newWorld(t)
	web := webRepo(t)
	w.again(config(web), nil)
	name := w.path(YankedName)
	must(t, Yank(name, "web@1.1.0+1.1", "loses\nmails"))
	wants(t, Yank(name, "web@1.1.0+1.1", "again"), fault.Usage, "is there twice")
	wants(t, Yank(name, "web@1.0.0+1.0", " "), fault.Usage, "has no reason")
	wants(t, Yank(name, "web", "x"), fault.Usage, "is no version")
	yanks, err := LoadYanks(name)
	must(t, err)
	w.again(config(web), func(o *BuildOptions) { o.Yanked = yanks })
	want := &Withdrawal{Yanked, "loses mails"}
	if diff := cmp.Diff(want, headIn(t, w.path("build"), "web").Release("1.1.0+1.1").Withdrawn); diff != "" {
		t.Error(diff)
	}
	// A version that is yanked before it was ever built is marked as well.
	cold, err := Build(t.Context(), config(web), BuildOptions{
		Output: w.path("cold"), Resolver: w.resolver(""), Rules: []lint.Rule{refuseRule, warnRule}, Yanked: yanks,
	})
	must(t, err)
	if cold.Versions != 2 {
		t.Errorf("%d versions", cold.Versions)
	}
	sameTree(t, w.path("build"), w.path("cold"))
}

// TestBuildKeepsPins has the registry's tag moved to another image: what is
// published stays, also for a build that knows of nothing but the published
// catalogue.
func TestBuildKeepsPins(t *testing.T) {
	w := published(t)
	built := snapshotOf(t, w.path("build"))
	w.registry.PushT(t, "acme/web:1.1", localregistry.TinyT(t, "another", "linux/amd64", "linux/arm64"))
	w.build(config(w.web, w.proxy), w.path("build"))
	if diff := cmp.Diff(built, snapshotOf(t, w.path("build"))); diff != "" {
		t.Error(diff)
	}
	must(t, os.RemoveAll(w.path("build")))
	root, err := os.ReadFile(filepath.Join(w.path("publisher"), RootName))
	must(t, err)
	report := w.again(config(w.web, w.proxy), func(o *BuildOptions) { o.Previous, o.PreviousRoot = w.path("public"), root })
	if report.New != 0 || report.Requests.Heads != 0 {
		t.Errorf("%d new versions, %d HEADs", report.New, report.Requests.Heads)
	}
	if diff := cmp.Diff(built, snapshotOf(t, w.path("build"))); diff != "" {
		t.Error(diff)
	}
}

// TestSignRefusesToLosePins has a build that does not know what is published.
func TestSignRefusesToLosePins(t *testing.T) {
	w := published(t)
	before := snapshotOf(t, w.path("public"))
	must(t, os.RemoveAll(w.path("build")))
	w.build(config(w.proxy), w.path("build"))
	_, err := Sign(t.Context(), w.signOptions(start.Add(time.Hour)))
	wants(t, err, fault.Refused, "web@1.0.0+1.0 is published and is not in the build")

	must(t, os.RemoveAll(w.path("build")))
	w.web.write("compose.yml", compose("1.2"))
	w.web.commit()
	w.web.git("tag", "-f", "-a", "-m", "moved", "1.1.0+1.1")
	w.build(config(w.web, w.proxy), w.path("build"))
	_, err = Sign(t.Context(), w.signOptions(start.Add(time.Hour)))
	wants(t, err, fault.Refused, "web@1.1.0+1.1 is published and has another tag in the build")
	if diff := cmp.Diff(before, snapshotOf(t, w.path("public"))); diff != "" {
		t.Error(diff)
	}
}

func TestBuildRelint(t *testing.T) {
	w := published(t)
	w.again(config(w.web, w.proxy), func(o *BuildOptions) { o.Rules = []lint.Rule{refuseRule} })
	if got := entryIn(t, w.path("build"), "web", "1.1.0+1.1").Lint.Warnings; got != 1 {
		t.Errorf("%d warnings without being asked, expected the published verdict", got)
	}
	w.again(config(w.web, w.proxy), func(o *BuildOptions) { o.Rules, o.Relint = []lint.Rule{refuseRule}, true })
	if got := entryIn(t, w.path("build"), "web", "1.1.0+1.1").Lint.Warnings; got != 0 {
		t.Errorf("%d warnings, expected the new rules' verdict", got)
	}
	w.sign(start.Add(time.Hour))
}

// TestBuildRefusedIsTriedAgain sees what a refusal depends on.
func TestBuildRefusedIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	web := webRepo(t)
	web.write("compose.yml", compose("1.1")+"# REFUSE\n")
	web.release("1.2.0+1.1")
	web.write("compose.yml", compose("4.0"))
	web.release("2.0.0+4.0")
	if report := w.again(config(web), nil); report.Refused != 2 {
		t.Fatalf("%d refused, expected 2", report.Refused)
	}
	w.registry.PushT(t, "acme/web:4.0", localregistry.TinyT(t, "web:4.0", "linux/amd64", "linux/arm64"))
	if report := w.again(config(web), nil); report.New != 1 || report.Refused != 1 {
		t.Errorf("the image is there: %d new, %d refused", report.New, report.Refused)
	}
	report := w.again(config(web), func(o *BuildOptions) { o.Rules = []lint.Rule{warnRule} })
	if report.New != 1 || report.Refused != 0 {
		t.Errorf("the rule is gone: %d new, %d refused", report.New, report.Refused)
	}
}

// TestBuildRepairs has a tree that a killed run left: a head without an index, and
// content that nothing names.
func TestBuildRepairs(t *testing.T) {
	w := newWorld(t)
	web, proxy := webRepo(t), proxyRepo(t)
	w.again(config(web, proxy), nil)
	whole := snapshotOf(t, w.path("build"))
	must(t, os.Remove(w.path("build/v1/index.json")))
	must(t, os.Remove(w.path("build/recipes.json")))
	must(t, os.Remove(filepath.Join(w.path("build"), recipePath("proxy"))))
	stray := filepath.Join(w.path("build"), Bundle{SHA256: strings.Repeat("ab", 32)}.Path())
	must(t, os.WriteFile(stray, []byte("half"), 0o644))
	must(t, os.MkdirAll(w.path("build/.galley-tmp"), 0o755))
	must(t, os.WriteFile(w.path("build/.galley-tmp/x"), []byte("half"), 0o644))
	w.again(config(web, proxy), nil)
	if diff := cmp.Diff(whole, snapshotOf(t, w.path("build"))); diff != "" {
		t.Error(diff)
	}
}

func TestBuildRefusesADamagedTree(t *testing.T) {
	w := newWorld(t)
	web := webRepo(t)
	w.again(config(web), nil)
	entry := filepath.Join(w.path("build"), entryPath(headIn(t, w.path("build"), "web").Versions[0].Entry))
	flip(t, entry, 100)
	must(t, os.RemoveAll(w.path("cache")))
	_, err := Build(t.Context(), config(web), BuildOptions{Output: w.path("build"), Resolver: w.resolver(""), Rules: []lint.Rule{refuseRule}})
	wants(t, err, fault.Refused, "wrong hash")
}

func TestTwoBuildsAtOnce(t *testing.T) {
	w := newWorld(t)
	w.again(config(proxyRepo(t)), nil)
	other := flock.New(w.path("build"), flock.SetFlag(os.O_RDONLY))
	locked, err := other.TryLock()
	if err != nil || !locked {
		t.Fatal(locked, err)
	}
	defer func() { _ = other.Unlock() }()
	limited, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = Build(limited, config(), BuildOptions{Output: w.path("build"), Resolver: w.resolver(""), Rules: []lint.Rule{refuseRule}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it did not wait: %v", err)
	}
}
