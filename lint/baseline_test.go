package lint

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galley-coop/galley/internal/fault"
)

func run(t testing.TB, paths []string, opts Options, rules ...Rule) *Result {
	t.Helper()
	result, err := Run(context.Background(), load(t, LoadOptions{}, paths...), rules, opts)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestBaselineDropsWhatItKnows(t *testing.T) {
	dir := tree(t, shelf)
	t.Chdir(dir)
	before := run(t, []string{"."}, Options{}, unstable, sample)
	baseline := NewBaseline(before, ".")
	if len(baseline.Entries) != 5 || baseline.Entries[0].File != "loose/docker-compose.yml" || baseline.Entries[0].Rule != "R004" {
		t.Fatalf("entries = %+v, want the five of the shelf by file", baseline.Entries)
	}
	write(t, dir, "traefik/compose.yml", "# moved\n\n"+stack+"  new:\n    image: redis:latest\n")
	t.Chdir("traefik") // the paths are relative to the baseline, wherever lint runs
	after := run(t, []string{"."}, Options{}, unstable, sample)
	stale := baseline.Apply(after, "..")
	if f := only(t, after.Findings); f.Start.Line != 7 || !after.Failing(Warning) {
		t.Errorf("finding = %+v, want the new image's", f)
	}
	if after.Summary.Baselined != 3 || after.Summary.Warnings != 1 || len(stale) != 0 {
		t.Errorf("summary = %+v, stale = %v", after.Summary, stale)
	}
}

func TestBaselineNamesWhatIsStale(t *testing.T) {
	dir := tree(t, shelf)
	baseline := NewBaseline(run(t, []string{dir}, Options{}, unstable, published), dir)
	write(t, dir, "traefik/compose.yml", "services: {}\n")
	if err := os.Remove(filepath.Join(dir, "loose", "other.yml")); err != nil {
		t.Fatal(err)
	}
	result := run(t, []string{dir + "/traefik"}, Options{}, unstable)
	stale := baseline.Apply(result, dir)
	var files []string
	for _, e := range stale {
		files = append(files, e.File)
	}
	if got, want := strings.Join(files, " "), "loose/other.yml traefik/compose.yml"; got != want {
		t.Errorf("stale = %q, want the cured one and that of the lost file, and not that of a file that was not looked at: %q", got, want)
	}
	if other := baseline.Apply(run(t, []string{dir + "/traefik"}, Options{}, sample), dir); len(other) != 0 {
		t.Errorf("stale = %v though the rule did not run", other)
	}
	if left := baseline.Without(stale); len(left.Entries) != len(baseline.Entries)-2 || left.Version != BaselineVersion {
		t.Errorf("left = %+v", left)
	}
}

func TestBaselineComesBack(t *testing.T) {
	dir := tree(t, shelf)
	baseline := NewBaseline(run(t, []string{dir}, Options{}, unstable), dir)
	var first, second bytes.Buffer
	if err := WriteBaseline(&first, baseline); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(first.String(), "{\n  \"version\": 1,\n  \"entries\": [\n    {\n      \"file\": \"loose/docker-compose.yml\",\n      \"rule\": \"R004\",\n      \"fingerprint\": \"") {
		t.Errorf("baseline =\n%s", first.String())
	}
	back, err := ReadBaseline(bytes.NewReader(first.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteBaseline(&second, back); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Errorf("it came back as\n%s", second.String())
	}
}

func TestAnEmptyBaselineIsOne(t *testing.T) {
	var out bytes.Buffer
	if err := WriteBaseline(&out, NewBaseline(&Result{}, ".")); err != nil {
		t.Fatal(err)
	}
	if want := "{\n  \"version\": 1,\n  \"entries\": []\n}\n"; out.String() != want {
		t.Errorf("baseline = %q, want %q", out.String(), want)
	}
}

func TestSuppressedFindingsAreInNoBaseline(t *testing.T) {
	dir := tree(t, map[string]string{"compose.yml": "a: bad # galley:ignore R004 why\nb: bad\n"})
	if b := NewBaseline(run(t, []string{dir}, Options{Ignores: true}, marks), dir); len(b.Entries) != 1 {
		t.Errorf("entries = %v, want that of line 2", b.Entries)
	}
}

func TestWhatIsNoBaseline(t *testing.T) {
	for _, text := range []string{
		"", "[]", "{}", `{"version":2,"entries":[]}`, `{"version":1,"entries":[{}]}`, `{"version":1,"entires":[]}`,
		`{"version":1,"entries":[{"file":"a","rule":"R004","fingerprint":""}]}`, `{"version":"1"}`,
	} {
		_, err := ReadBaseline(strings.NewReader(text))
		if fault.KindOf(err) != fault.Usage || err == nil || strings.Contains(err.Error(), "\n") || fault.HintOf(err) == "" {
			t.Errorf("%q: error = %v, want one line of kind usage with a hint", text, err)
		}
	}
}

func FuzzReadBaseline(f *testing.F) {
	f.Add(`{"version":1,"entries":[{"file":"../a","rule":"R004","fingerprint":"0","message":"x"}]}`)
	f.Add(`{"version":1,"entries":[{"file":"\u0000","rule":"R001","fingerprint":"\ud800"}]}`)
	f.Add(`{"version":1}`)
	f.Fuzz(func(t *testing.T, text string) {
		b, err := ReadBaseline(strings.NewReader(text))
		if err != nil {
			return
		}
		result := &Result{Findings: []Finding{{Rule: "R004", File: "a"}}, files: map[string]bool{"a": true}, ran: map[string]bool{"R001": true, "R004": true}}
		stale := b.Apply(result, t.TempDir())
		if len(stale) > len(b.Entries) {
			t.Errorf("%d stale of %d", len(stale), len(b.Entries))
		}
	})
}
