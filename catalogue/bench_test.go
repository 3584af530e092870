package catalogue

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/galley-coop/galley/internal/catbench"
	"github.com/galley-coop/galley/internal/localregistry"
	"github.com/galley-coop/galley/registry"
	"github.com/galley-coop/galley/rules"
)

// recipesEnv is how many recipes the benchmarks of building have, 1,000 without it.
const recipesEnv = "GALLEY_BENCH_RECIPES"

// benchSize is what the figures in docs/benchmarks.md are for.
func benchSize() catbench.Size {
	recipes, err := strconv.Atoi(os.Getenv(recipesEnv))
	if err != nil {
		recipes = 1000
	}
	return catbench.Size{Recipes: recipes, Versions: 20, Images: 500}
}

// benchWorld is a catalogue's sources and where it is built. All rules that are on
// judge it.
type benchWorld struct {
	size     catbench.Size
	registry *localregistry.Registry
	dir      string // has repos/, build/, cache/
}

func newBenchWorld(b *testing.B) *benchWorld {
	b.Helper()
	w := &benchWorld{size: benchSize(), registry: localregistry.StartT(b), dir: b.TempDir()}
	must(b, catbench.Push(b.Context(), w.registry, w.size))
	must(b, catbench.Repositories(b.Context(), w.path("repos"), w.size))
	return w
}

func (w *benchWorld) path(name string) string { return filepath.Join(w.dir, name) }

// config has a source for each repository: at an address, or in place.
func (w *benchWorld) config(address string) Config {
	cfg := Config{Name: "Bench"}
	for i := range w.size.Recipes {
		s := Source{Name: catbench.Name(i), Gate: "error"}
		if address == "" {
			s.Path = filepath.Join(w.path("repos"), s.Name)
		} else {
			s.Git = address + "/" + s.Name
		}
		cfg.Sources = append(cfg.Sources, s)
	}
	return cfg
}

// build builds into a folder of w. What was learned is kept beside it.
func (w *benchWorld) build(b *testing.B, cfg Config, output string) *Report {
	b.Helper()
	cache := w.path(output + "-cache")
	resolver := registry.New(registry.Options{
		CacheDir: cache, Rewrites: map[string]string{"docker.io": w.registry.Addr}, Insecure: []string{w.registry.Addr},
	})
	defer resolver.Close()
	report, err := Build(b.Context(), cfg, BuildOptions{
		Output: w.path(output), CacheDir: cache, Resolver: resolver, Rules: rules.All(), Now: start,
	})
	must(b, err)
	if report.Refused > 0 || len(report.Failed()) > 0 || report.Recipes != w.size.Recipes {
		b.Fatalf("%d recipes, %d versions refused, %d sources failed", report.Recipes, report.Refused, len(report.Failed()))
	}
	return report
}

// counts reports what a build did, to be seen beside its time.
func counts(b *testing.B, r *Report) {
	b.ReportMetric(float64(r.Files.Read), "reads/op")
	b.ReportMetric(float64(r.Files.Written), "writes/op")
	b.ReportMetric(float64(r.Requests.Heads+r.Requests.Gets+r.Requests.Auths), "requests/op")
	b.ReportMetric(float64(r.New), "new/op")
}

// BenchmarkBuild builds 1,000 recipes of 20 versions: cold, with nothing changed,
// and with one new version. The ratios say how much more it takes than what
// nobody could do without, measured in the same run.
func BenchmarkBuild(b *testing.B) {
	w := newBenchWorld(b)
	local := w.config("")
	b.Run("cold", func(b *testing.B) { w.benchCold(b, local) })
	b.Run("cold-memory", func(b *testing.B) { w.benchMemory(b, "") })
	b.Run("built", func(b *testing.B) {
		w.build(b, local, "build")
		b.Run("unchanged", func(b *testing.B) { w.benchUnchanged(b, local) })
		b.Run("unchanged-memory", func(b *testing.B) { w.benchMemory(b, "build") })
		b.Run("unchanged-http", w.benchHTTP)
		b.Run("one-new", func(b *testing.B) { w.benchOneNew(b, local) })
		b.Run("sign", w.benchSign)
	})
}

func (w *benchWorld) benchUnchanged(b *testing.B, cfg Config) {
	var report *Report
	used := processor(b)
	for b.Loop() {
		report = w.build(b, cfg, "build")
	}
	b.ReportMetric((processor(b)-used).Seconds()/float64(b.N), "cpu-s/op")
	counts(b, report)
}

// benchOneNew releases a version of another recipe each time.
func (w *benchWorld) benchOneNew(b *testing.B, cfg Config) {
	var report *Report
	var used time.Duration
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		must(b, catbench.Release(b.Context(), w.path("repos"), w.size, i%w.size.Recipes, w.size.Versions+i/w.size.Recipes))
		before := processor(b)
		b.StartTimer()
		report = w.build(b, cfg, "build")
		used += processor(b) - before
		if report.New != 1 {
			b.Fatalf("%d new versions", report.New)
		}
	}
	counts(b, report)
	b.ReportMetric(used.Seconds()/float64(b.N), "cpu-s/op")
}

// benchSign signs the catalogue with one changed recipe; the first time, with
// everything new, is reported beside it.
func (w *benchWorld) benchSign(b *testing.B) {
	_, err := Init(w.path("publisher"), InitOptions{Name: "Bench", Now: start})
	must(b, err)
	opts := SignOptions{
		Build: w.path("build"), Public: w.path("public"),
		Keys: filepath.Join(w.path("publisher"), KeysName), Root: filepath.Join(w.path("publisher"), RootName), Now: start,
	}
	began := time.Now()
	_, err = Sign(b.Context(), opts)
	must(b, err)
	first := time.Since(began)
	var signed *Signed
	var used time.Duration
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		must(b, catbench.Release(b.Context(), w.path("repos"), w.size, w.size.Recipes-1, w.size.Versions+100+i))
		w.build(b, w.config(""), "build")
		before := processor(b)
		b.StartTimer()
		signed, err = Sign(b.Context(), opts)
		must(b, err)
		used += processor(b) - before
	}
	b.ReportMetric(used.Seconds()/float64(b.N), "cpu-s/op")
	b.ReportMetric(first.Seconds(), "first-s")
	b.ReportMetric(float64(signed.SignedBins), "signed-bins")
	b.ReportMetric(float64(signed.Written), "written/op")
}

// processor is the time that this process had of a processor, which is the same
// however many others want it.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// sideBySide is how many sources a build looks at at the same time; what it is compared
// with does as much.
func sideBySide() int { return 4 * runtime.GOMAXPROCS(0) }
