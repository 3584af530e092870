package fault

import (
	"strings"
	"testing"
)

func TestNear(t *testing.T) {
	names := []string{"matomo", "nextcloud", "cloud.example.org", "traefik", "traefic-old"}
	for name, want := range map[string]string{
		"matmoo": "matomo", "cloud": "nextcloud cloud.example.org", "Traefik": "traefik", "zzz": "", "": "", "traefi": "traefik traefic-old",
	} {
		if got := strings.Join(Near(name, names), " "); got != want {
			t.Errorf("near %q are %q, want %q", name, got, want)
		}
	}
	if got := Near(strings.Repeat("x", 1<<20), []string{strings.Repeat("y", 1<<20)}); len(got) > 0 {
		t.Errorf("long names gave %d", len(got))
	}
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "axc", 1}, {"abc", "bc", 1}, {"kitten", "sitting", 3}} {
		if got := Distance(test.a, test.b); got != test.want {
			t.Errorf("distance(%q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
	}
}
