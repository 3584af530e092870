package catalogue

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galley-coop/galley/internal/localregistry"
	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/registry"
)

var testRules = []lint.Rule{refuseRule, warnRule}

// learning is a resolver that goes on from what an earlier one learned.
func (w *world) learning(most int64) *registry.Resolver {
	r := registry.New(registry.Options{
		CacheDir: w.path("registry"), Learned: time.Hour, MaxRequests: most,
		Rewrites: map[string]string{"docker.io": w.registry.Addr}, Insecure: []string{w.registry.Addr},
		Timeout: 5 * time.Second, Backoff: time.Millisecond,
	})
	w.t.Cleanup(r.Close)
	return r
}

func (w *world) dryRun(cfg Config, change func(*BuildOptions)) *Plan {
	w.t.Helper()
	opts := BuildOptions{Output: w.path("build"), Resolver: w.learning(0), Rules: testRules, Now: start, CacheDir: w.path("cache")}
	if change != nil {
		change(&opts)
	}
	plan, err := DryRun(w.t.Context(), cfg, opts)
	must(w.t, err)
	if _, err := plan.JSON(); err != nil {
		w.t.Error(err)
	}
	return plan
}

// manyRepo is a recipe of so many releases, each with an image of its own.
func (w *world) manyRepo(releases int) gitRepo {
	r := newRepo(w.t, "many")
	r.write(".env.sample", "TYPE=many\n")
	for i := range releases {
		tag := fmt.Sprintf("2.%d", i)
		w.registry.PushT(w.t, "acme/many:"+tag, localregistry.TinyT(w.t, "many"+tag, "linux/amd64", "linux/arm64"))
		r.write("compose.yml", "services:\n  app:\n    image: acme/many:"+tag+"\n")
		r.release(fmt.Sprintf("1.%d.0+%s", i, tag))
	}
	return r
}

// TestDryRun says what the build then does.
func TestDryRun(t *testing.T) {
	w := newWorld(t)
	web, proxy := webRepo(t), proxyRepo(t)
	web.write("compose.yml", compose("1.1")+"# REFUSE\n")
	web.release("1.2.0+1.1")
	cfg := config(web, proxy)
	plan := w.dryRun(cfg, nil)
	if n := len(w.registry.Requests()); n != 0 || exists(w.path("build")) {
		t.Errorf("%d requests were sent; a folder was made: %v", n, exists(w.path("build")))
	}
	if _, err := os.Stat(filepath.Join(w.path("cache"), ledgerName(w.path("build")))); err == nil {
		t.Error("a ledger was written")
	}
	if plan.New != 3 || plan.Refused != 1 || plan.Failed() {
		t.Errorf("%d new, %d refused", plan.New, plan.Refused)
	}
	want := Estimate{References: 4, Heads: 4, Gets: 8, GetsMost: -1, Hosts: []HostEstimate{{
		Host: w.registry.Addr, References: 4, Heads: 4, New: 4, Gets: 8, GetsMost: -1, Repositories: 3,
	}}}
	if diff := cmp.Diff(want, plan.Asks); diff != "" {
		t.Error(diff)
	}
	report := w.again(cfg, func(o *BuildOptions) { o.Resolver = w.learning(0) })
	if int(report.Requests.Heads) != plan.Asks.Heads || int(report.Requests.Gets) < plan.Asks.Gets || report.New != plan.New {
		t.Errorf("planned %+v, the build asked %+v for %d versions", plan.Asks, report.Requests, report.New)
	}
	if plan := w.dryRun(cfg, nil); plan.New != 0 || plan.Asks.References != 0 {
		t.Errorf("after the build: %+v", plan)
	}
}

func TestDryRunOfChanges(t *testing.T) {
	w := published(t)
	before := snapshotOf(t, w.path("build"))
	w.web.git("tag", "-d", "1.0.0+1.0")
	w.web.write("compose.yml", compose("1.2"))
	w.web.commit()
	w.web.git("tag", "-f", "-a", "-m", "again", "1.1.0+1.1")
	w.web.release("1.2.0+1.2")
	cfg := config(w.web)
	cfg.Sources = append(cfg.Sources, Source{Name: "away", Path: w.path("nowhere"), Gate: "error"})
	bounded := func(o *BuildOptions) { o.Resolver = w.learning(2) }
	plan := w.dryRun(cfg, bounded)
	if len(plan.Sources) != 3 || !plan.Failed() || plan.Moved != 1 || plan.Removed != 2 || plan.New != 1 {
		t.Fatalf("%+v", plan)
	}
	if s := plan.Sources[0]; s.Name != "away" || !strings.Contains(s.Error, "nowhere") {
		t.Errorf("a source that is not there: %+v", s)
	}
	if s := plan.Sources[1]; s.Name != "proxy" || len(s.Removed) != 1 {
		t.Errorf("a source that was taken out: %+v", s)
	}
	s := plan.Sources[2]
	if diff := cmp.Diff([]string{"1.2.0+1.2"}, s.New); diff != "" || s.Moved[0].Version != "1.1.0+1.1" || s.Removed[0].Version != "1.0.0+1.0" {
		t.Errorf("%+v", s)
	}
	// The database's image is known to nobody here: the world's builds keep nothing.
	if plan.Asks.Heads != 2 || plan.Asks.Gets != 4 || plan.Asks.MaxRequests != 2 || plan.Asks.Left != 4 {
		t.Errorf("%+v", plan.Asks)
	}
	if diff := cmp.Diff(before, snapshotOf(t, w.path("build"))); diff != "" {
		t.Error(diff)
	}
	// A machine that never built goes on from what is published.
	fresh := w.dryRun(cfg, func(o *BuildOptions) {
		bounded(o)
		o.Output, o.Previous, o.CacheDir = w.path("fresh"), w.path("public"), ""
	})
	fresh.Output = plan.Output
	if diff := cmp.Diff(plan, fresh); diff != "" || exists(w.path("fresh")) {
		t.Error(diff)
	}
}

// TestEstimateComesFirst has the estimate before the first request.
func TestEstimateComesFirst(t *testing.T) {
	w := newWorld(t)
	var told []Estimate
	report := w.again(config(webRepo(t), proxyRepo(t)), func(o *BuildOptions) {
		o.Estimated = func(e Estimate) {
			told = append(told, e)
			if n := len(w.registry.Requests()); n != 0 {
				t.Errorf("%d requests before the estimate", n)
			}
		}
	})
	if len(told) != 1 || told[0].Heads != 4 || report.New != 3 || len(report.Failed()) != 0 {
		t.Errorf("told %+v, built %+v", told, report)
	}
	w.build(config(webRepo(t), proxyRepo(t)), w.path("cold"))
	sameTree(t, w.path("build"), w.path("cold"))
}

// TestBuildAsksOnce has two recipes with the same image, and a resolver that
// remembers nothing.
func TestBuildAsksOnce(t *testing.T) {
	w := newWorld(t)
	cfg := config(proxyRepo(t))
	for _, name := range []string{"other", "third"} {
		cfg.Sources = append(cfg.Sources, Source{Name: name, Path: cfg.Sources[0].Path, Gate: "error"})
	}
	report := w.again(cfg, nil)
	if report.New != 3 || report.Requests.Heads != 1 || report.Requests.References != 1 {
		t.Errorf("%d new, %+v", report.New, report.Requests)
	}
}

func TestBuildRelintAsksNothing(t *testing.T) {
	w := published(t)
	w.registry.PushT(t, "acme/web:1.1", localregistry.TinyT(t, "another", "linux/amd64"))
	asked := len(w.registry.Requests())
	report := w.again(config(w.web, w.proxy), func(o *BuildOptions) { o.Rules, o.Relint = []lint.Rule{refuseRule}, true })
	if n := len(w.registry.Requests()) - asked; n != 0 || report.Refused != 0 {
		t.Errorf("%d requests, %d refused", n, report.Refused)
	}
	w.sign(start.Add(time.Hour))
}

func TestBuildBudget(t *testing.T) {
	w := newWorld(t)
	const most = 24
	cfg := config(w.manyRepo(12))
	whole := w.again(cfg, func(o *BuildOptions) { o.Output, o.CacheDir = w.path("whole"), "" })
	runs, versions, sent := 0, 0, int64(0)
	for versions < 12 && runs < 20 {
		report := w.again(cfg, func(o *BuildOptions) { o.Resolver = w.learning(most) })
		runs++
		q := report.Requests
		if q.Heads+q.Gets+q.Auths > most {
			t.Errorf("run %d: %+v", runs, q)
		}
		sent += q.Heads + q.Gets
		if versions = report.Versions; report.Postponed != 12-versions {
			t.Errorf("run %d: %d of 12 built, %d postponed", runs, versions, report.Postponed)
		}
		if _, err := report.JSON(); err != nil {
			t.Error(err)
		}
	}
	// Of the images that are being fetched when a run has to stop, four at a time, the
	// three documents may be fetched again.
	need := whole.Requests.Heads + whole.Requests.Gets
	if versions != 12 || sent < need || sent > need+int64(runs-1)*12 || runs < 3 {
		t.Errorf("%d versions after %d runs, with %d requests, expected %d", versions, runs, sent, need)
	}
	sameTree(t, w.path("whole"), w.path("build"))
}

// TestBuildForgets has a tag move between two builds: what a run learned that came
// to its end is asked again by the next.
func TestBuildForgets(t *testing.T) {
	w := newWorld(t)
	many := w.manyRepo(1)
	w.again(config(many), func(o *BuildOptions) { o.Resolver = w.learning(0) })
	now := w.registry.PushT(t, "acme/many:2.0", localregistry.TinyT(t, "another", "linux/amd64"))
	many.release("1.1.0+2.0")
	report := w.again(config(many), func(o *BuildOptions) { o.Resolver = w.learning(0) })
	if e := entryIn(t, w.path("build"), "many", "1.1.0+2.0"); e.Images[0].Digest != now || report.Postponed != 0 {
		t.Errorf("the entry has %s, the tag names %s", e.Images[0].Digest, now)
	}
}

// TestBuildGoesOnAfterALimit has a registry that has enough after ten requests.
func TestBuildGoesOnAfterALimit(t *testing.T) {
	w := newWorld(t)
	count := &tally{from: 11, then: func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Retry-After", "3600")
		rw.WriteHeader(http.StatusTooManyRequests)
	}}
	w.registry = localregistry.StartT(t, count.option())
	cfg := config(w.manyRepo(6))
	first := w.again(cfg, func(o *BuildOptions) { o.Resolver = w.learning(0) })
	if first.Postponed == 0 || first.Postponed+first.Versions != 6 || len(first.Failed()) != 0 {
		t.Fatalf("%d postponed, %d built", first.Postponed, first.Versions)
	}
	count.spare()
	second := w.again(cfg, func(o *BuildOptions) { o.Resolver = w.learning(0) })
	if second.Versions != 6 || second.Postponed != 0 {
		t.Errorf("%d versions, %d postponed", second.Versions, second.Postponed)
	}
	for request, n := range count.tags() {
		if n > 1 {
			t.Errorf("%s was answered %d times", request, n)
		}
	}
}

func TestBuildPostponesWhatIsDown(t *testing.T) {
	w := newWorld(t)
	web := webRepo(t)
	w.registry.Close()
	report := w.again(config(web), nil)
	if report.Postponed != 2 || report.Refused != 2 || report.Versions != 0 {
		t.Errorf("%d postponed of %d refused", report.Postponed, report.Refused)
	}
}

const buildChildEnv = "GALLEY_TEST_BUILD"

// TestBuildChild is not a test: it is the child of TestBuildKilledGoesOn.
func TestBuildChild(t *testing.T) {
	given := strings.Split(os.Getenv(buildChildEnv), "\n")
	if len(given) != 3 {
		return
	}
	w := &world{t: t, dir: given[0], registry: &localregistry.Registry{Addr: given[1]}}
	w.again(config(gitRepo{t, given[2]}), func(o *BuildOptions) { o.Resolver = w.learning(0) })
}

// TestBuildKilledGoesOn kills a build in the middle of its questions.
func TestBuildKilledGoesOn(t *testing.T) {
	w := newWorld(t)
	stuck := make(chan struct{}, 100)
	count := &tally{from: 40, then: func(_ http.ResponseWriter, req *http.Request) {
		stuck <- struct{}{}
		<-req.Context().Done() // the child dies meanwhile
	}}
	w.registry = localregistry.StartT(t, count.option())
	many := w.manyRepo(16)
	child := exec.Command(os.Args[0], "-test.run=^TestBuildChild$")
	child.Env = append(os.Environ(), exitsAtOnce, buildChildEnv+"="+w.dir+"\n"+w.registry.Addr+"\n"+many.dir)
	must(t, child.Start())
	<-stuck
	must(t, child.Process.Kill())
	_ = child.Wait()
	count.spare()
	report := w.again(config(many), func(o *BuildOptions) { o.Resolver = w.learning(0) })
	if report.Versions != 16 || report.Postponed != 0 {
		t.Errorf("%d versions, %d postponed", report.Versions, report.Postponed)
	}
	again := 0
	for _, n := range count.tags() {
		again += n - 1
	}
	// What was answered and not yet written when the child died: four at a time, and
	// those that are worked on meanwhile.
	if report.Requests.Heads > 8 || again > 8 {
		t.Errorf("%d of 16 were asked for, %d of them again", report.Requests.Heads, again)
	}
}
