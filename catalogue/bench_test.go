package catalogue

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/galley-coop/galley/lint"
)

// BenchmarkBuildNoChange builds 50 recipes of 5 versions each from local
// repositories, with every digest known.
func BenchmarkBuildNoChange(b *testing.B) {
	w := newWorld(b)
	cfg := Config{Name: "Bench"}
	for i := range 50 {
		r := newRepo(b, fmt.Sprintf("recipe-%02d", i))
		r.write("README.md", readme)
		r.write(".env.sample", "TYPE=web\nDOMAIN=web.example.org\n")
		r.write("compose.db.yml", overlay)
		for v := range 5 {
			r.write("compose.yml", compose("1.1")+fmt.Sprintf("    labels: [\"n=%d\"]\n", v))
			r.release(fmt.Sprintf("1.%d.0+1.1", v))
		}
		cfg.Sources = append(cfg.Sources, Source{Name: filepath.Base(r.dir), Path: r.dir, Gate: "error"})
	}
	cache := w.path("cache")
	run := func() {
		opts := BuildOptions{Output: w.path("build"), Resolver: w.resolver(cache), Rules: []lint.Rule{refuseRule, warnRule}, Now: start}
		if report, err := Build(b.Context(), cfg, opts); err != nil || report.Versions != 250 {
			b.Fatal(report, err)
		}
	}
	run()
	for b.Loop() {
		run()
	}
}
