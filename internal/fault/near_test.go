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
