package lint

import (
	"context"
	"strings"
	"testing"

	"github.com/galley-coop/galley/internal/fault"
)

// since lints paths and keeps what came since a revision.
func since(t testing.TB, paths []string, revision string) *Result {
	t.Helper()
	rules := []Rule{unstable, sample}
	targets := load(t, LoadOptions{}, paths...)
	after, err := Run(context.Background(), targets, rules, Options{})
	if err != nil {
		t.Fatal(err)
	}
	then, err := At(context.Background(), targets, revision)
	if err != nil {
		t.Fatal(err)
	}
	before, err := Run(context.Background(), then, rules, Options{})
	if err != nil {
		t.Fatal(err)
	}
	Since(before, after)
	return after
}

func TestSinceShowsWhatAChangeBrought(t *testing.T) {
	dir := committed(t, shelf)
	git(t, dir, "tag", "first")
	write(t, dir, "traefik/compose.yml", "# moved\n"+stack+"  new:\n    image: redis:latest\n")
	write(t, dir, "fresh/compose.yml", stack)
	for _, from := range []string{dir, dir + "/traefik"} {
		result := since(t, []string{from}, "first")
		want := []string{dir + "/fresh/compose.yml", dir + "/traefik/compose.yml"}
		if from != dir {
			want = want[1:]
		}
		var got []string
		for _, f := range result.Findings {
			got = append(got, f.File)
		}
		if strings.Join(got, " ") != strings.Join(want, " ") || result.Summary.Warnings != len(want) {
			t.Errorf("findings in %q, want %q; summary %+v", got, want, result.Summary)
		}
	}
}

func TestSinceOfAFileAndOfTheWorkingFolder(t *testing.T) {
	dir := committed(t, shelf)
	t.Chdir(dir + "/loose")
	write(t, dir, "loose/other.yml", stack+"  new:\n    image: redis:latest\n")
	for _, paths := range [][]string{{"."}, {"other.yml"}, {"../loose/other.yml"}} {
		if f := only(t, since(t, paths, "HEAD").Findings); f.Start.Line != 5 {
			t.Errorf("%q: finding in line %d, want 5", paths, f.Start.Line)
		}
	}
}

func TestSinceACommitThatLacksTheRecipe(t *testing.T) {
	dir := committed(t, map[string]string{"a.txt": ""})
	for name, text := range shelf {
		write(t, dir, name, text)
	}
	if got := since(t, []string{dir}, "HEAD"); len(got.Findings) != 5 {
		t.Errorf("%d findings, want all 5 as new", len(got.Findings))
	}
}

func TestAtRefuses(t *testing.T) {
	dir := committed(t, shelf)
	if _, err := At(context.Background(), load(t, LoadOptions{}, dir), "nowhere"); err == nil || fault.HintOf(err) == "" {
		t.Errorf("error = %v, want one with a hint for a revision that is not there", err)
	}
	if _, err := At(context.Background(), load(t, LoadOptions{}, tree(t, shelf)), "HEAD"); fault.KindOf(err) != fault.Usage {
		t.Errorf("error = %v, want one of kind usage without git", err)
	}
	if _, err := At(context.Background(), []Target{target(t, shelf)}, "HEAD"); fault.KindOf(err) != fault.Usage {
		t.Errorf("error = %v, want one of kind usage for what is in memory", err)
	}
}

func TestSinceCountsEqualFindings(t *testing.T) {
	before := &Result{Findings: []Finding{{File: "a", Fingerprint: "1", Severity: Error}, {File: "b", Fingerprint: "2"}}}
	after := &Result{Findings: []Finding{{File: "a", Fingerprint: "1", Severity: Error}, {File: "a", Fingerprint: "2", Severity: Error}}, Summary: Summary{Targets: 1, Errors: 2}}
	if n := Since(before, after); n != 1 || len(after.Findings) != 1 || after.Findings[0].Fingerprint != "2" {
		t.Errorf("dropped %d, left %v; want the second left", n, after.Findings)
	}
	if after.Summary != (Summary{Targets: 1, Errors: 1}) {
		t.Errorf("summary = %+v", after.Summary)
	}
}
