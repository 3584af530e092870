package lint

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// generated is a folder of n recipes with a dozen services each.
func generated(t testing.TB, n int) string {
	files := map[string]string{}
	for i := range n {
		var b strings.Builder
		b.WriteString("version: \"3.8\"\nservices:\n")
		for s := range 12 {
			fmt.Fprintf(&b, "  s%d:\n    image: registry.example.org/app%d:1.%d\n    networks:\n      - internal\n    environment:\n      - DOMAIN\n      - STACK=${STACK_NAME}\n", s, i, s)
		}
		b.WriteString("  last:\n    image: redis:latest\nnetworks:\n  internal:\n")
		files[fmt.Sprintf("r%03d/compose.yml", i)] = b.String()
		files[fmt.Sprintf("r%03d/.env.sample", i)] = "TYPE=r\nDOMAIN=r.example.org\n"
	}
	return tree(t, files)
}

func BenchmarkLoad200(b *testing.B) {
	dir := generated(b, 200)
	b.ReportAllocs()
	for b.Loop() {
		load(b, LoadOptions{}, dir)
	}
}

func BenchmarkRun200(b *testing.B) {
	targets := load(b, LoadOptions{}, generated(b, 200))
	b.ReportAllocs()
	for b.Loop() {
		result, err := Run(context.Background(), targets, []Rule{unstable, sample, published}, Options{})
		if err != nil || len(result.Findings) != 200 {
			b.Fatal(len(result.Findings), err)
		}
	}
}

// TestTheEngineAllocatesLittle holds what the engine itself costs for a target
// without findings, whatever the rules do.
func TestTheEngineAllocatesLittle(t *testing.T) {
	const n, most = 50, 40
	targets := load(t, LoadOptions{}, generated(t, n))
	quiet := Rule{ID: "R001", Name: "quiet", Check: func(*Pass) {}}
	allocs := testing.AllocsPerRun(5, func() {
		if _, err := Run(context.Background(), targets, []Rule{quiet, quiet, quiet}, Options{}); err != nil {
			t.Fatal(err)
		}
	})
	if allocs/n > most {
		t.Errorf("%.0f allocations for a target and three rules, want at most %d", allocs/n, most)
	}
}
