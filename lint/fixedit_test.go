package lint

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestEditSetKnowsWhatClashes compares the set with a look at every edit.
func TestEditSetKnowsWhatClashes(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var set editSet
		var all []byteEdit
		for range 12 {
			from := chance.IntN(20)
			e := byteEdit{from, from + chance.IntN(4), "x"}
			want := slices.ContainsFunc(all, e.clashes)
			if got := set.clashes(e); got != want {
				t.Fatalf("%v beside %v clashes: %v, want %v", e, all, got, want)
			}
			if _, has := set.find(e); has != slices.Contains(all, e) {
				t.Fatalf("%v in %v: %v", e, all, has)
			}
			if !want {
				set, all = set.with(e), append(all, e)
			}
		}
		slices.SortFunc(all, func(a, b byteEdit) int { return cmp.Compare(a.from, b.from) })
		if !slices.Equal(all, set) {
			t.Fatalf("the set is %v, want %v", set, all)
		}
	}
}
