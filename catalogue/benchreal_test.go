package catalogue

import (
	"context"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/galley-coop/galley/internal/localregistry"
	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/registry"
	"github.com/galley-coop/galley/rules"
)

// bundlesEnv names git bundles (git-bundle(1)) of real recipes: patterns of
// filepath.Glob, with colons between them. Without it BenchmarkReal skips.
const bundlesEnv = "GALLEY_BENCH_BUNDLES"

// BenchmarkReal builds real recipes with all of their versions, cold and with
// nothing changed. The images that they name stand in a local registry as tiny
// ones, of the same repositories and tags. There is no gate: as much as possible
// is published.
func BenchmarkReal(b *testing.B) {
	w := &benchWorld{registry: localregistry.StartT(b), dir: b.TempDir()}
	cfg := w.cloned(b)
	rewrites := w.mirror(b, cfg)
	build := func(b *testing.B) *Report {
		resolver := registry.New(registry.Options{CacheDir: w.path("cache"), Rewrites: rewrites, Insecure: []string{w.registry.Addr}})
		defer resolver.Close()
		report, err := Build(b.Context(), cfg, BuildOptions{
			Output: w.path("build"), CacheDir: w.path("cache"), Resolver: resolver, Rules: rules.All(), Now: start,
		})
		must(b, err)
		if len(report.Failed()) > 0 {
			b.Fatalf("failed: %+v", report.Failed())
		}
		return report
	}
	run := func(name string, before func(b *testing.B)) {
		b.Run(name, func(b *testing.B) {
			var report *Report
			var used time.Duration
			for b.Loop() {
				b.StopTimer()
				before(b)
				began := processor(b)
				b.StartTimer()
				report = build(b)
				used += processor(b) - began
			}
			counts(b, report)
			b.ReportMetric(used.Seconds()/float64(b.N), "cpu-s/op")
			b.ReportMetric(float64(report.Versions), "versions")
			b.ReportMetric(float64(report.Refused), "refused")
			b.ReportMetric(float64(report.Requests.References), "references")
			if name == "cold" {
				logRefused(b, report)
			}
		})
	}
	run("cold", func(b *testing.B) {
		must(b, os.RemoveAll(w.path("build")))
		must(b, os.RemoveAll(w.path("cache")))
	})
	run("unchanged", func(*testing.B) {})
}

// logRefused says why versions were refused, each reason once.
func logRefused(b *testing.B, r *Report) {
	b.Helper()
	reasons := map[string]int{}
	for _, s := range r.Sources {
		for _, refused := range s.Refused {
			reasons[s.Name+": "+refused.Reason]++
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		b.Logf("%d × %s", reasons[reason], reason)
	}
}

// cloned makes a bare repository of each bundle.
func (w *benchWorld) cloned(b *testing.B) Config {
	b.Helper()
	given := os.Getenv(bundlesEnv)
	if given == "" {
		b.Skipf("%s names no git bundles", bundlesEnv)
	}
	cfg := Config{Name: "Real"}
	for _, pattern := range filepath.SplitList(given) {
		files, err := filepath.Glob(pattern)
		must(b, err)
		for _, file := range files {
			s := Source{Name: strings.TrimSuffix(filepath.Base(file), ".bundle"), Gate: GateOff}
			s.Path = filepath.Join(w.path("repos"), s.Name)
			if out, err := exec.Command("git", "clone", "--quiet", "--bare", file, s.Path).CombinedOutput(); err != nil {
				b.Fatalf("%v\n%s", err, out)
			}
			cfg.Sources = append(cfg.Sources, s)
		}
	}
	return cfg
}

// mirror pushes a tiny image for each reference that any version names, and gives
// what sends their hosts to the local registry.
func (w *benchWorld) mirror(b *testing.B, cfg Config) map[string]string {
	b.Helper()
	var mu sync.Mutex
	named := map[registry.Reference]bool{}
	must(b, everyVersion(b.Context(), cfg, func(ctx context.Context, name string, tree fs.FS) error {
		r, err := recipe.Load(tree, recipe.Options{Name: name})
		if err != nil || r.Base == nil {
			return err
		}
		uses, err := imagesOf(ctx, r, &merged{})
		if err != nil {
			return nil // the build says why
		}
		mu.Lock()
		defer mu.Unlock()
		for _, use := range uses {
			named[use.ref] = true
		}
		return nil
	}))
	rewrites := map[string]string{}
	for ref := range named {
		rewrites[ref.Domain] = w.registry.Addr
		if ref.Tag != "" && ref.Digest == "" {
			name := ref.Path + ":" + ref.Tag
			w.registry.PushT(b, name, localregistry.TinyT(b, name, "linux/amd64", "linux/arm64"))
		}
	}
	return rewrites
}
