package trust

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"
)

// catalogueOf is the shape of a catalogue of n recipes as a TUF client sees it:
// recipes.json, the index, and a head of some 4 KB for each recipe. What is big
// is named by heads and entries and is no target.
func catalogueOf(n int) map[string]string {
	contents := map[string]string{"recipes.json": "{}\n", "v1/index.json": "{}\n"}
	for i := range n {
		contents[fmt.Sprintf("v1/recipes/recipe-%d.json", i)] = head(i, 0)
	}
	return contents
}

func head(i, release int) string {
	return fmt.Sprintf("%-4095d\n", i*1000+release)
}

// publishAll writes the content of some files only: the rest is not asked for.
func (h *house) publishAll(contents map[string]string, write []string) *Publication {
	h.Helper()
	targets := map[string]File{}
	for name, content := range contents {
		targets[name] = File{Length: int64(len(content)), SHA256: Fingerprint([]byte(content))}
	}
	for _, name := range write {
		h.must(h.public.Write(HashedName(name, targets[name].SHA256), []byte(contents[name])))
	}
	p, err := Prepare(h.opts, targets)
	h.must(err)
	h.must(p.Write(h.public))
	return p
}

// sizes are what a reader of 20 recipes asks for and gets.
type sizes struct {
	bins, snapshot, bin         int
	cold, unchanged, oneChanged traffic
}

type traffic struct {
	requests int
	bytes    int64
}

func sizesOf(t testing.TB, recipes int) sizes {
	h := newHouse(t)
	contents := catalogueOf(recipes)
	var mine []string
	for i := range 20 {
		mine = append(mine, fmt.Sprintf("v1/recipes/recipe-%d.json", i*recipes/20))
	}
	p := h.publishAll(contents, mine)
	var out sizes
	out.bins = p.Bins
	for _, f := range p.files {
		role, _, _ := ParseName(f.name)
		switch {
		case role == Snapshot:
			out.snapshot = len(f.data)
		case role.IsBin():
			out.bin = max(out.bin, len(f.data))
		}
	}
	s := h.host()
	r := h.reader(s)
	seen := map[string]string{} // what the reader has and need not fetch
	read := func() traffic {
		t.Helper()
		state, err := r.refresh(t.Context())
		h.must(err)
		for _, name := range mine {
			f, _, err := state.Target(t.Context(), s, name)
			h.must(err)
			if f.SHA256 == seen[name] {
				continue
			}
			_, err = state.Fetch(t.Context(), s, name)
			h.must(err)
			seen[name] = f.SHA256
		}
		requests, bytes := s.since()
		return traffic{len(requests), bytes}
	}
	out.cold = read()
	h.opts.Now = start.Add(time.Hour)
	out.unchanged = read()
	contents[mine[0]] = head(0, 1)
	contents["recipes.json"], contents["v1/index.json"] = "{ }\n", "{ }\n"
	if p := h.publishAll(contents, mine[:1]); p.SignedBins > 3 {
		t.Errorf("one changed recipe signed %d bins", p.SignedBins)
	}
	out.oneChanged = read()
	return out
}

// TestSize holds the bounds that a reader of 20 recipes is promised, at a tenth of
// the size that BenchmarkSize measures.
func TestSize(t *testing.T) {
	got := sizesOf(t, 1000)
	t.Logf("%+v", got)
	if got.unchanged.requests > 2 || got.unchanged.bytes > 10_000 {
		t.Errorf("unchanged: %+v, expected at most 2 requests and 10 KB", got.unchanged)
	}
	if got.cold.requests > 4+2*20 || got.cold.bytes > 250_000 {
		t.Errorf("cold: %+v, expected at most 44 requests and 250 KB", got.cold)
	}
	if got.oneChanged.requests > 5 || got.oneChanged.bytes > 30_000 {
		t.Errorf("one changed: %+v, expected at most 5 requests and 30 KB", got.oneChanged)
	}
}

// BenchmarkSize reports what 10,000 recipes cost a reader of 20, and signing one
// change the publisher.
func BenchmarkSize(b *testing.B) {
	var got sizes
	for b.Loop() {
		got = sizesOf(b, 10_000)
	}
	report := map[string]float64{
		"bins": float64(got.bins), "snapshot-B": float64(got.snapshot), "largest-bin-B": float64(got.bin),
		"cold-B": float64(got.cold.bytes), "cold-requests": float64(got.cold.requests),
		"unchanged-B": float64(got.unchanged.bytes), "unchanged-requests": float64(got.unchanged.requests),
		"changed-B": float64(got.oneChanged.bytes), "changed-requests": float64(got.oneChanged.requests),
	}
	for _, unit := range slices.Sorted(maps.Keys(report)) {
		b.ReportMetric(report[unit], unit)
	}
}

// BenchmarkPrepareOneChange is signing one change of 10,000 recipes: reading and
// verifying what is published, and signing a bin.
func BenchmarkPrepareOneChange(b *testing.B) {
	h := newHouse(b)
	contents := catalogueOf(10_000)
	h.publishAll(contents, nil)
	targets := map[string]File{}
	for name, content := range contents {
		targets[name] = File{Length: int64(len(content)), SHA256: Fingerprint([]byte(content))}
	}
	for b.Loop() {
		targets["v1/index.json"] = File{Length: 1, SHA256: Fingerprint([]byte(time.Now().String()))}
		p, err := Prepare(h.opts, targets)
		h.must(err)
		if p.SignedBins != 1 {
			b.Fatalf("%d bins were signed", p.SignedBins)
		}
	}
}
