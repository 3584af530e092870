package recipe

import "testing"

func TestIsPatch(t *testing.T) {
	for _, c := range []struct {
		from, to string
		want     bool
	}{
		{"1.2.0+5.1.0", "1.2.1+5.1.0", true},
		{"1.2.0+5.1.0", "1.2.1+5.2.3", true},
		{"1.2.0+v5.1.0", "1.2.9+5.2-alpine", true},
		{"1.2.0+0.9", "1.2.1+0.10", true},
		{"1.2.0+latest", "1.2.1+latest", true},
		{"1.2.0+5.1.0", "1.2.1+6.0.0", false},
		{"1.2.0+5.1.0", "1.2.1+main", false},
		{"1.2.0+main", "1.2.1+edge", false},
		{"1.2.0+5.1.0", "1.3.0+5.1.0", false},
		{"1.2.0+5.1.0", "2.2.1+5.1.0", false},
		{"1.2.1+5.1.0", "1.2.0+5.1.0", false},
		{"1.2.0+5.1.0", "1.2.0+5.1.1", false},
		{"1.2.0+5.1.0", "1.2.1-rc.1+5.1.0", false},
		{"1.2.0-rc.1+5.1.0", "1.2.1+5.1.0", false},
	} {
		if got := mustVersion(t, c.from).IsPatch(mustVersion(t, c.to)); got != c.want {
			t.Errorf("%s to %s: %v, want %v", c.from, c.to, got, c.want)
		}
	}
}
