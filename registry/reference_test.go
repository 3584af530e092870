package registry

import (
	"strings"
	"testing"

	"github.com/galley-coop/galley/internal/fault"
)

func TestParseReference(t *testing.T) {
	const digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	tests := []struct {
		in       string
		want     Reference
		familiar string
	}{
		{"nginx", Reference{"docker.io", "library/nginx", "", ""}, "nginx"},
		{"nginx:1.2", Reference{"docker.io", "library/nginx", "1.2", ""}, "nginx:1.2"},
		{"docker.io/nginx:1.2", Reference{"docker.io", "library/nginx", "1.2", ""}, "nginx:1.2"},
		{"index.docker.io/team/web:v1", Reference{"docker.io", "team/web", "v1", ""}, "team/web:v1"},
		{"nginx:1.2@" + digest, Reference{"docker.io", "library/nginx", "1.2", digest}, "nginx:1.2@" + digest},
		{"nginx@" + digest, Reference{"docker.io", "library/nginx", "", digest}, "nginx@" + digest},
		{"localhost:5000/web:1", Reference{"localhost:5000", "web", "1", ""}, "localhost:5000/web:1"},
		{"[::1]:5000/a/b/c:1", Reference{"[::1]:5000", "a/b/c", "1", ""}, "[::1]:5000/a/b/c:1"},
		{"ghcr.io/team/web", Reference{"ghcr.io", "team/web", "", ""}, "ghcr.io/team/web"},
	}
	for _, tt := range tests {
		got, err := ParseReference(tt.in)
		if err != nil || got != tt.want {
			t.Errorf("ParseReference(%q) = %+v, %v, want %+v", tt.in, got, err, tt.want)
			continue
		}
		if got.Familiar() != tt.familiar {
			t.Errorf("%q: Familiar() = %q, want %q", tt.in, got.Familiar(), tt.familiar)
		}
	}
}

func TestParseReferenceRefuses(t *testing.T) {
	for _, in := range []string{
		"", " ", "Nginx:1", "nginx:", "nginx:${TAG}", "nginx@sha256:12", "http://nginx", "a//b:1",
		strings.Repeat("a", 64), strings.Repeat("a", 4000), "nginx:" + strings.Repeat("1", 129), "web:1\n",
	} {
		if ref, err := ParseReference(in); err == nil || fault.KindOf(err) != fault.Usage {
			t.Errorf("ParseReference(%q) = %+v, %v, want a usage error", in, ref, err)
		}
	}
}

func FuzzParseReference(f *testing.F) {
	for _, seed := range []string{
		"nginx", "nginx:1.2", "docker.io/library/nginx:1.2@" + digestOfNothing, "localhost:5000/a/b:c",
		"[::1]:5000/x", "Foo/bar:1", "a:b:c", "@", ":", "/", "x@sha256:", "docker.io/docker.io/x:1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		ref, err := ParseReference(in)
		if err != nil {
			return
		}
		if ref.Domain == "" || ref.Path == "" {
			t.Fatalf("%q: parsed without domain or path: %+v", in, ref)
		}
		for _, spelling := range []string{ref.String(), ref.Familiar()} {
			again, err := ParseReference(spelling)
			if err != nil || again != ref {
				t.Fatalf("%q became %+v, its spelling %q became %+v, %v", in, ref, spelling, again, err)
			}
		}
	})
}

func TestPlatforms(t *testing.T) {
	tests := map[string]string{
		"linux/amd64": "linux/amd64", "linux/arm64/v8": "linux/arm64/v8", "linux/x86_64": "linux/amd64",
		"linux/aarch64": "linux/arm64", "linux/armv7l": "linux/arm/v7", "windows/amd64": "windows/amd64",
	}
	for in, want := range tests {
		if got, err := ParsePlatform(in); err != nil || got.String() != want {
			t.Errorf("ParsePlatform(%q) = %s, %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"", "linux", "linux/", "/amd64", "linux/arm/v7/x", "linux/AMD64", "linux/arm 64"} {
		if got, err := ParsePlatform(in); err == nil || fault.KindOf(err) != fault.Usage {
			t.Errorf("ParsePlatform(%q) = %s, %v, want a usage error", in, got, err)
		}
	}
}

func TestPlatformMatches(t *testing.T) {
	tests := []struct {
		have, want string
		match      bool
	}{
		{"linux/amd64", "linux/amd64", true},
		{"linux/amd64", "linux/x86_64", true},
		{"linux/arm64/v8", "linux/arm64", true},
		{"linux/arm64", "linux/arm64/v8", true},
		{"linux/arm/v7", "linux/arm", true},
		{"linux/arm", "linux/arm/v7", false},
		{"linux/arm/v6", "linux/arm/v7", false},
		{"linux/amd64", "windows/amd64", false},
		{"linux/amd64", "linux/arm64", false},
	}
	for _, tt := range tests {
		have, err := ParsePlatform(tt.have)
		if err != nil {
			t.Fatal(err)
		}
		want, err := ParsePlatform(tt.want)
		if err != nil {
			t.Fatal(err)
		}
		if got := have.Matches(want); got != tt.match {
			t.Errorf("%s matches %s: %t, want %t", tt.have, tt.want, got, tt.match)
		}
	}
}

func TestChildPrefersTheSameVariant(t *testing.T) {
	img := Image{Children: []Child{
		{Platform: Platform{"linux", "arm", "v5"}, Manifest: "five"},
		{Platform: Platform{"linux", "arm", "v7"}, Manifest: "seven"},
	}}
	if child, ok := img.Child(Platform{"linux", "arm", "v7"}); !ok || child.Manifest != "seven" {
		t.Errorf("arm/v7: got %+v, %t", child, ok)
	}
	if child, ok := img.Child(Platform{"linux", "arm", ""}); !ok || child.Manifest != "five" {
		t.Errorf("arm: got %+v, %t", child, ok)
	}
	if child, ok := img.Child(Platform{"linux", "amd64", ""}); ok {
		t.Errorf("amd64: got %+v, want none", child)
	}
}
