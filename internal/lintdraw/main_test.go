package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/galley-coop/galley/lint"
)

func some(rule string, n int) []lint.Finding {
	found := make([]lint.Finding, n)
	for i := range found {
		found[i] = lint.Finding{Rule: rule, Message: fmt.Sprint(i)}
	}
	return found
}

func TestSharesGiveEveryRuleItsPart(t *testing.T) {
	strata := map[string][]lint.Finding{"A": some("A", 1), "B": some("B", 5), "C": some("C", 103)}
	tests := []struct {
		n    int
		want map[string]int
	}{
		{1, map[string]int{"A": 1, "B": 3, "C": 3}},
		{58, map[string]int{"A": 1, "B": 4, "C": 53}},
		{1000, map[string]int{"A": 1, "B": 5, "C": 103}},
	}
	for _, test := range tests {
		if got := shares(strata, test.n, 3); !maps.Equal(got, test.want) {
			t.Errorf("%d of them: %v, want %v", test.n, got, test.want)
		}
	}
}

func TestTheSeedDecidesTheDraw(t *testing.T) {
	found := some("S201", 1000)
	one, again, two := draw(found, "S201", 10, 1), draw(found, "S201", 10, 1), draw(found, "S201", 10, 2)
	messages := func(found []lint.Finding) (all []string) {
		for _, f := range found {
			all = append(all, f.Message)
		}
		return all
	}
	if !slices.Equal(messages(one), messages(again)) {
		t.Errorf("seed 1 drew %v and then %v", messages(one), messages(again))
	}
	if len(one) != 10 || slices.Equal(messages(one), messages(two)) {
		t.Errorf("seeds 1 and 2 drew %v and %v, want two samples of 10", messages(one), messages(two))
	}
}

func TestVersionsSideBySideCountOnce(t *testing.T) {
	dir := t.TempDir()
	for _, folder := range []string{"1.0.0+1.2", "1.1.0+1.2", "other"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
		text := "services:\n  app:\n    image: redis:latest\n"
		if err := os.WriteFile(filepath.Join(dir, folder, "compose.yml"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	strata, err := findings(t.Context(), ".")
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, f := range strata["R004"] {
		files = append(files, f.File)
	}
	if want := []string{"1.0.0+1.2/compose.yml", "other/compose.yml"}; !slices.Equal(files, want) {
		t.Errorf("R004 in %v, want %v", files, want)
	}
}
