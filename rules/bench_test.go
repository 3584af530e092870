package rules

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/galley-coop/galley/lint"
)

// BenchmarkFolder loads and lints everything below GALLEY_BENCH_DIR with all
// rules that are on: a collection of compose files of your own.
func BenchmarkFolder(b *testing.B) {
	dir := os.Getenv("GALLEY_BENCH_DIR")
	if dir == "" {
		b.Skip("GALLEY_BENCH_DIR names no folder to lint")
	}
	benchmark(b, dir)
}

// BenchmarkRecipes loads and lints copies of the base recipe, which has two
// overlays, with all rules that are on; ns/op divided by the number of copies is
// one recipe's on all cores.
func BenchmarkRecipes(b *testing.B) {
	const recipes = 200
	dir := b.TempDir()
	for i := range recipes {
		if err := os.CopyFS(filepath.Join(dir, fmt.Sprintf("r%03d", i)), os.DirFS("testdata/base")); err != nil {
			b.Fatal(err)
		}
	}
	benchmark(b, dir)
}

func benchmark(b *testing.B, dir string) {
	b.ReportAllocs()
	ctx := context.Background()
	for b.Loop() {
		targets, _, err := lint.Load(ctx, []string{dir}, lint.LoadOptions{})
		if err != nil {
			b.Fatal(err)
		}
		result, err := lint.Run(ctx, targets, All(), lint.Options{Ignores: true})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(result.Summary.Targets), "targets")
	}
}
