package source

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galley-coop/galley/internal/fault"
)

func TestParse(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.Mkdir("host:path", 0o755); err != nil {
		t.Fatal(err)
	}
	for location, want := range map[string]Source{
		".":                              {URL: dir, Local: true},
		"recipes/traefik":                {URL: filepath.Join(dir, "recipes/traefik"), Local: true},
		"host:path":                      {URL: filepath.Join(dir, "host:path"), Local: true},
		"./a:b":                          {URL: filepath.Join(dir, "a:b"), Local: true},
		"/srv/git/x.git":                 {URL: "/srv/git/x.git", Local: true},
		"file:///srv/with%20space":       {URL: "/srv/with space", Local: true},
		"file://localhost/srv/x":         {URL: "/srv/x", Local: true},
		"https://git.example.org/r/x":    {URL: "https://git.example.org/r/x"},
		"HTTPS://Git.Example.ORG/R/x":    {URL: "https://git.example.org/R/x"},
		"https://u:p@git.example.org/x":  {URL: "https://git.example.org/x"},
		"https://tok@git.example.org/x":  {URL: "https://git.example.org/x"},
		"ssh://git@git.example.org:2/x":  {URL: "ssh://git@git.example.org:2/x"},
		"ssh://git:pw@git.example.org/x": {URL: "ssh://git@git.example.org/x"},
		"git://git.example.org/x.git":    {URL: "git://git.example.org/x.git"},
		"git@git.example.org:r/x.git":    {URL: "git@git.example.org:r/x.git"},
		"git.example.org:r/x.git":        {URL: "git.example.org:r/x.git"},
	} {
		got, err := Parse(location)
		if err != nil || got.URL != want.URL || got.Local != want.Local {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", location, got, err, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for location, reason := range map[string]string{
		"":                                "is not a path or a URL",
		"a\nb":                            "is not a path or a URL",
		"ftp://example.org/x":             `scheme "ftp"`,
		"ext::sh -c id":                   "helper program",
		"https://example.org":             "no host or no path",
		"https:///x":                      "no host or no path",
		"file://fileserver/x":             "names the host",
		"https://example.org/x?token=abc": "has a query or a fragment",
		"https://example.org/x#main":      "has a query or a fragment",
		"https://u:s3cret@exa mple.org/x": "does not parse",
	} {
		_, err := Parse(location)
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("Parse(%q): error = %v, want one with %q", location, err, reason)
			continue
		}
		if fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" {
			t.Errorf("Parse(%q): error %v is no usage error with a hint", location, err)
		}
		if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "abc") {
			t.Errorf("Parse(%q) shows a secret: %v", location, err)
		}
	}
}

func TestCleanHidesSecretsAndControls(t *testing.T) {
	src, err := Parse("https://ada:p%40ss%2Fword@git.example.org/x")
	if err != nil {
		t.Fatal(err)
	}
	inner := errors.New("Get \"https://ada:p%40ss%2Fword@git.example.org/x/info/refs\":\n\x1b[31mremote: \xffno p@ss/word, ada:p%40ss%2Fword" + strings.Repeat("!", 500))
	got := src.clean(inner)
	for _, secret := range []string{"p@ss", "p%40ss", "\x1b", "\n", "\xff"} {
		if strings.Contains(got.Error(), secret) {
			t.Errorf("text shows %q: %q", secret, got)
		}
	}
	if !errors.Is(got, inner) || len(got.Error()) > maxText+len("…") {
		t.Errorf("text has %d bytes, is the inner error: %v", len(got.Error()), errors.Is(got, inner))
	}
}

func TestMirrorNames(t *testing.T) {
	name := func(location string) string {
		t.Helper()
		src, err := Parse(location)
		if err != nil {
			t.Fatal(err)
		}
		return src.mirrorName()
	}
	if a, b := name("https://u:p@Example.org/r/x.git/"), name("https://example.org/r/x.git"); a != b {
		t.Errorf("one address has the mirrors %q and %q", a, b)
	}
	if a, b := name("https://example.org/r/x"), name("https://example.org/s/x"); a == b {
		t.Errorf("two addresses share the mirror %q", a)
	}
	for _, location := range []string{"https://example.org/r/..", "https://example.org/%2e%2e%2f..", "git@example.org:..", "https://example.org/é\u202e"} {
		if got := name(location); got != filepath.Base(got) || strings.ContainsAny(strings.TrimSuffix(got, ".git"), "./é") {
			t.Errorf("mirror of %q is called %q", location, got)
		}
	}
}
