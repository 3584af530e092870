package catalogue

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/registry"
)

// runEnv holds the childRun of a child that builds or signs, and is killed.
const runEnv = "GALLEY_TEST_RUN"

// exitsAtOnce is a child's: the race detector would sleep a second at its end, and
// most kills would meet a child that has nothing more to do.
const exitsAtOnce = "GORACE=atexit_sleep_ms=0"

// childRun is what a child does: a build when it has sources, or else a sign.
type childRun struct {
	Sources                []Source
	Build, Cache, Registry string
	Public, Keys, Root     string
	Now                    time.Time
}

// TestRunChild is not a test: it is the child of those that kill it.
func TestRunChild(t *testing.T) {
	given := os.Getenv(runEnv)
	if given == "" {
		return
	}
	var run childRun
	must(t, json.Unmarshal([]byte(given), &run))
	fmt.Println("begins")
	must(t, run.run(t))
}

// run is the run itself.
func (r childRun) run(t testing.TB) error {
	if r.Sources == nil {
		_, err := Sign(t.Context(), SignOptions{Build: r.Build, Public: r.Public, Keys: r.Keys, Root: r.Root, Now: r.Now})
		return err
	}
	resolver := registry.New(registry.Options{
		CacheDir: filepath.Join(r.Cache, "registry"), Insecure: []string{r.Registry},
		Rewrites: map[string]string{"docker.io": r.Registry}, Timeout: 30 * time.Second,
	})
	defer resolver.Close()
	report, err := Build(t.Context(), Config{Name: "Test", Sources: r.Sources}, BuildOptions{
		Output: r.Build, Resolver: resolver, Rules: []lint.Rule{refuseRule, warnRule}, CacheDir: r.Cache, Now: r.Now,
	})
	if err == nil && len(report.Failed())+report.Refused > 0 {
		err = fmt.Errorf("not all was built: %+v", report)
	}
	return err
}

// child starts a child.
func (r childRun) child(t testing.TB) *exec.Cmd {
	t.Helper()
	data, err := json.Marshal(r)
	must(t, err)
	child := exec.Command(os.Args[0], "-test.run=^TestRunChild$")
	child.Env = append(os.Environ(), exitsAtOnce, runEnv+"="+string(data))
	return child
}

// killed runs a child and kills it some time after it began. It tells whether
// the child was done before, and how long it took.
func (r childRun) killed(t testing.TB, after time.Duration) (done bool, took time.Duration) {
	t.Helper()
	child := r.child(t)
	out, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	lines := bufio.NewScanner(out)
	lines.Scan()
	began, said := time.Now(), lines.Text()
	timer := time.AfterFunc(after, func() { _ = child.Process.Kill() })
	defer timer.Stop()
	for lines.Scan() {
		said += "\n" + lines.Text()
	}
	err = child.Wait()
	if status := child.ProcessState; err != nil && status.Exited() {
		t.Fatalf("%v\n%s", err, said)
	}
	return err == nil, time.Since(began)
}

// undisturbed lets the child end by itself.
func (r childRun) undisturbed(t testing.TB) time.Duration {
	t.Helper()
	done, took := r.killed(t, 5*time.Minute)
	if !done {
		t.Fatal("it did not end")
	}
	return took
}

// moments are the times of kills, one in each part of a span; 10, or as many as
// the environment says.
func moments(span time.Duration, seed uint64) []time.Duration {
	n := 10
	if given, err := strconv.Atoi(os.Getenv(killsEnv)); err == nil {
		n = given
	}
	random := rand.New(rand.NewPCG(4, seed))
	list := make([]time.Duration, n)
	for i := range list {
		list[i] = time.Duration((float64(i) + random.Float64()) / float64(n) * float64(span))
	}
	random.Shuffle(n, func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// manySources are the two recipes, and n more that have the second one's files.
func manySources(web, proxy gitRepo, n int) []Source {
	sources := config(web, proxy).Sources
	for i := range n {
		sources = append(sources, Source{Name: fmt.Sprintf("proxy-%d", i), Path: proxy.dir, Gate: "error"})
	}
	return sources
}

// TestBuildKilled kills builds from nothing and builds that go on. The next run
// ends where one that nobody disturbed does.
func TestBuildKilled(t *testing.T) {
	w := newWorld(t)
	web, proxy := webRepo(t), proxyRepo(t)
	run := childRun{Sources: manySources(web, proxy, 6), Build: w.path("whole"), Cache: w.path("cache"), Registry: w.registry.Addr, Now: start}
	took := run.undisturbed(t)
	early, partial := 0, 0
	for i, after := range moments(took, 1) {
		run.Build, run.Cache = w.path(fmt.Sprintf("build-%d", i)), w.path(fmt.Sprintf("cache-%d", i))
		if i%2 == 1 { // go on from one with fewer recipes
			run.Sources = manySources(web, proxy, 2)
			must(t, run.run(t))
			run.Sources = manySources(web, proxy, 6)
		}
		done, _ := run.killed(t, after)
		if !done {
			early++
		}
		if _, err := os.Stat(run.Build); err == nil {
			if tree, err := openTree(t.Context(), run.Build, nil); err == nil {
				must(t, tree.dir.Close())
			} else {
				partial++
			}
		}
		must(t, run.run(t))
		sameTree(t, w.path("whole"), run.Build)
		must(t, os.RemoveAll(run.Build))
	}
	t.Logf("%d of %d killed before they were done; %d left a tree that is not whole", early, len(moments(took, 1)), partial)
	if early == 0 {
		t.Error("no build was killed")
	}
}

// signing is a catalogue of which every version that is signed has other contents
// and, now and then, one more recipe.
type signing struct {
	*world
	run     childRun
	web     gitRepo
	proxy   gitRepo
	signed  int
	trust   string // state of a client that follows
	recipes int
}

func newSigning(t testing.TB) *signing {
	t.Helper()
	w := newWorld(t)
	w.begin()
	s := &signing{world: w, web: webRepo(t), proxy: proxyRepo(t), trust: w.path("trust")}
	options := w.signOptions(start)
	s.run = childRun{Build: options.Build, Public: options.Public, Keys: options.Keys, Root: options.Root, Now: start}
	return s
}

// change builds what is signed next.
func (s *signing) change() {
	s.t.Helper()
	s.signed++
	s.run.Now = s.run.Now.Add(time.Minute)
	if s.signed%3 == 1 {
		s.recipes++
	}
	yanked := Yanks{"web": {}}
	for i, version := range []string{"1.0.0+1.0", "1.1.0+1.1"} {
		if s.signed>>i&1 == 1 {
			yanked["web"][version] = fmt.Sprintf("for change %d", s.signed)
		}
	}
	_, err := Build(s.t.Context(), Config{Name: "Test", Sources: manySources(s.web, s.proxy, s.recipes)}, BuildOptions{
		Output: s.run.Build, Resolver: s.resolver(s.path("registry-cache")), CacheDir: s.path("cache"),
		Rules: []lint.Rule{refuseRule, warnRule}, Yanked: yanked,
	})
	must(s.t, err)
}

// follows reads all of the catalogue as a client that knew the state before, and
// gives the timestamp's version.
func (s *signing) follows() int64 {
	s.t.Helper()
	client, err := Open(s.t.Context(), s.run.Public, ClientOptions{StateDir: s.trust, Now: s.run.Now})
	if err != nil {
		s.t.Fatal(err)
	}
	defer client.Close()
	must(s.t, readAll(s.t.Context(), client))
	return client.Info().Timestamp.Version
}

// heals signs again, and wants all of the build to be published, nothing to be
// noted and nothing to be left.
func (s *signing) heals() {
	s.t.Helper()
	_, err := Sign(s.t.Context(), s.signOptions(s.run.Now))
	must(s.t, err)
	v := s.verify(s.run.Public, s.run.Now)
	if len(v.Problems)+len(v.Stale)+len(v.Leftovers) > 0 {
		s.t.Fatalf("after the next sign: stale %q, leftovers %q, problems:\n%s", v.Stale, v.Leftovers, problems(v))
	}
	public := snapshotOf(s.t, s.run.Public)
	for name, content := range snapshotOf(s.t, s.run.Build) {
		if public[name] != content {
			s.t.Fatalf("%s is not what was built", name)
		}
	}
}

func TestSignKilled(t *testing.T) {
	s := newSigning(t)
	s.change()
	s.run.undisturbed(t)
	s.follows()
	s.change()
	took := s.run.undisturbed(t)
	early, switched, stale := 0, 0, 0
	for _, after := range moments(took*3/2, 2) { // beyond its end, for one that is slower
		last := s.follows()
		s.change()
		if done, _ := s.run.killed(t, after); !done {
			early++
		}
		v := s.verify(s.run.Public, s.run.Now)
		if len(v.Problems) > 0 {
			t.Fatalf("killed after %v:\n%s", after, problems(v))
		}
		if len(v.Stale) > 0 {
			stale++
		}
		switch seen := s.follows(); seen {
		case last:
		case last + 1:
			switched++
		default:
			t.Fatalf("version %d is seen, neither %d nor the next", seen, last)
		}
		s.heals()
	}
	t.Logf("%d killed before they were done; %d had switched, %d had stale files", early, switched, stale)
	if early == 0 {
		t.Error("no sign was killed")
	}
}
