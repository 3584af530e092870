package rules

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
)

// imageAnswer runs one rule over one image with facts, and gives the text that
// its finding underlines and its message; both are "" without a finding.
func imageAnswer(t *testing.T, rule, image, stated string) (at, message string, skipped []lint.Skip) {
	t.Helper()
	f := facts{}
	if stated != "" {
		f = parseFacts(t, stated)
	}
	tree := fstest.MapFS{"compose.yml": {Data: []byte(oneImage(image))}}
	result := run(t, tree, f.world(), lint.Options{Only: []string{rule}, Settings: f.settings})
	if len(result.Findings) == 0 {
		return "", "", result.Skipped
	}
	if len(result.Findings) > 1 {
		t.Errorf("found %q; expected one finding", lines(result.Findings))
	}
	found := result.Findings[0]
	text := recipe.NewText("compose.yml", tree["compose.yml"].Data)
	return text.Slice(recipe.Range{File: found.File, Start: found.Start, End: found.End}), found.Message, result.Skipped
}

func TestImageNames(t *testing.T) {
	const allowed = "registries: docker.io, ghcr.io"
	tests := []struct{ rule, image, facts, at, says string }{
		{"I401", "postgres:16", "", "16", "major version only"},
		{"I401", "redis:v7-alpine3.20", "", "v7-alpine3.20", "moves"},
		{"I401", "redis:${TAG:-7}", "", "7", "(from the default of ${TAG})"},
		{"I401", "redis:7.4", "", "", ""},
		{"I401", "redis:7@" + digest, "", "", ""},
		{"I401", "build:124", "", "", ""},
		{"I401", "app:5-20240101", "", "", ""},
		{"I401", "postgis:13-master", "", "", ""}, // R004 says it
		{"I401", "redis:${TAG}", "", "", ""},
		{"I402", "quay.io/a/b:1.2", allowed, "quay.io/a/b", "expected one from docker.io or ghcr.io"},
		{"I402", "${HOST:-quay.io}/a/b:1.2", allowed, "${HOST:-quay.io}/a/b", "comes from quay.io"},
		{"I402", "nginx:1.27", allowed, "", ""},
		{"I402", "quay.io/a/b:1.2", "", "", ""},
		{"I402", "${HOST}/a/b:1.2", allowed, "", ""},
		{"I403", "bitnami/redis:7.4", "", "bitnami/redis", "since September 2025"},
		{"I403", "bitnami/sealed-secrets-controller:0.31.0", "", "", ""},
		{"I403", "docker.io/minio/minio:RELEASE.2025-04-22T22-12-26Z", "", "docker.io/minio/minio", "quay.io/minio/minio"},
		{"I403", "k8s.gcr.io/pause:3.9", "", "k8s.gcr.io/pause", "registry.k8s.io/pause"},
		{"I403", "quay.io/minio/minio:RELEASE.2025-04-22T22-12-26Z", "", "", ""},
		{"I403", "ghcr.io/bitnami/redis:7.4", "", "", ""},
		{"I404", "nginx:1.27", "", "nginx", "expected docker.io/library/nginx"},
		{"I404", "docker.io/nginx:1.27", "", "", ""},
		{"I404", "ghcr.io/a/b:1.2", "", "", ""},
		{"I405", "nginx:1.27", "", "1.27", "nginx:1.27@sha256:…"},
		{"I405", "nginx:1.27@" + digest, "", "", ""},
		{"I406", "localhost:5000/a:1.2", "", "localhost:5000/a", "localhost"},
		{"I406", "127.0.0.1:5000/a:1.2", "", "127.0.0.1:5000/a", "127.0.0.1"},
		{"I406", "localhost.example.org/a:1.2", "", "", ""},
		{"I407", "postgres:9.6-alpine", "", "9.6-alpine", "expected 15 or newer"},
		{"I407", "mysql:8.0.36", "", "8.0.36", "April 2026"},
		{"I407", "mariadb:10.5", "", "10.5", "June 2025"},
		{"I407", "mongo:6", "", "6", "July 2025"},
		{"I407", "mysql:8", "", "", ""}, // the newest of its line
		{"I407", "mysql:8.4", "", "", ""},
		{"I407", "mariadb:10.11", "", "", ""},
		{"I407", "mariadb:10-focal", "", "", ""},
		{"I407", "postgres:17.2", "", "", ""},
		{"I407", "ghcr.io/a/postgres:9.6", "", "", ""},
		{"I407", "node:alpine", "", "", ""},
		{"I408", "app:1.2-arm64v8", "", "1.2-arm64v8", "for arm64v8 alone"},
		{"I408", "app:amd64", "", "amd64", "for amd64 alone"},
		{"I408", "arm32v7/redis:7.4", "", "arm32v7/redis", "expected redis"},
		{"I408", "app:1.2-charm64", "", "", ""},
		{"I408", "ghcr.io/amd64/redis:7.4", "", "", ""},
	}
	for _, test := range tests {
		t.Run(test.rule+"/"+test.image, func(t *testing.T) {
			at, message, _ := imageAnswer(t, test.rule, test.image, test.facts)
			if at != test.at || !strings.Contains(message, test.says) {
				t.Errorf("found %q at %q; expected %q at %q", message, at, test.says, test.at)
			}
		})
	}
}

func TestWhatRegistriesSay(t *testing.T) {
	const index, child, other = "sha256:" + a64, "sha256:" + b64, "sha256:" + c64
	const both = "image: nginx:1.27 " + index + " linux/amd64 linux/arm64\n"
	tests := []struct{ rule, image, facts, at, says string }{
		{"I410", "nginx:1.99", "no-image: nginx:1.99", "nginx:1.99", "is not in the registry"},
		{"I410", "nginx:1.27", "online:", "", ""},
		{"I410", "nginx:${TAG}", "online:", "", ""},
		{"I410", "nginx", "no-image: nginx", "", ""}, // R003 says it
		{"I411", "nginx:1.27", "platforms: linux/arm64\nimage: nginx:1.27 linux/amd64", "nginx:1.27", "there for linux/amd64, and not for linux/arm64"},
		{"I411", "nginx:1.27", "platforms: linux/arm64\nimage: nginx:1.27 linux/arm64/v8", "", ""},
		{"I411", "nginx:1.27", "image: nginx:1.27 linux/amd64", "", ""},
		{"I411", "nginx:1.27", "platforms: linux/arm64\nno-image: nginx:1.27", "", ""}, // I410 says it
		{"I412", "nginx:1.27@" + child, both + "image: nginx:1.27@" + child + " " + child + " linux/amd64", child, "the index of tag"},
		{"I412", "nginx:1.27@" + index, both + "image: nginx:1.27@" + index + " " + index + " linux/amd64 linux/arm64", "", ""},
		{"I412", "nginx:1.27@" + child, "image: nginx:1.27 " + child + " linux/amd64\nimage: nginx:1.27@" + child + " " + child + " linux/amd64", "", ""},
		{"I413", "nginx:1.27.1", "tags: nginx 1.27.0 1.27.10 1.27.9 1.28.0-alpine 2.0.0 v1.29.0 1.29", "1.27.1", `older than "1.27.10"`},
		{"I413", "nginx:v0.4.1-alpine", "tags: nginx v0.4.3 v0.4.2-alpine v0.5.0-alpine", "v0.4.1-alpine", `"v0.4.2-alpine"`},
		{"I413", "nginx:1.27.1", "tags: nginx 1.27.1 1.27.1-alpine latest 1.28.0-rc.1", "", ""},
		{"I413", "nginx:1", "tags: nginx 1 2 1.27.1", "", ""},
		{"I414", "nginx:1.27", "pin: nginx:1.27 " + other + "\n" + both, "1.27", "in the catalogue"},
		{"I414", "nginx:1.27", "pin: nginx:1.27 " + index + "\n" + both, "", ""},
		{"I414", "nginx:1.27", "pin: nginx:1.26 " + other + "\n" + both, "", ""},
		{"I415", "nginx:1.27@" + other, both + "image: nginx:1.27@" + other + " " + other + " linux/amd64 linux/arm64", other, "not what tag"},
		{"I415", "nginx:1.27@" + child, both + "image: nginx:1.27@" + child + " " + child + " linux/amd64", "", ""}, // I412 says it
	}
	for _, test := range tests {
		t.Run(test.rule+"/"+test.image, func(t *testing.T) {
			at, message, _ := imageAnswer(t, test.rule, test.image, test.facts)
			if at != test.at || !strings.Contains(message, test.says) {
				t.Errorf("found %q at %q; expected %q at %q", message, at, test.says, test.at)
			}
		})
	}
}

const (
	a64 = "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"
	b64 = "b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2"
	c64 = "c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3"
)

// TestSilentRegistriesAreSkipped holds that no answer is not taken for a bad one.
func TestSilentRegistriesAreSkipped(t *testing.T) {
	f := parseFacts(t, "online:\npin: nginx:1.27 sha256:"+a64+"\nplatforms: linux/arm64")
	f.unreachable = errors.New("no route to host")
	tree := fstest.MapFS{"compose.yml": {Data: []byte(oneImage("nginx:1.27.1@" + digest))}}
	for _, rule := range []string{"I410", "I411", "I412", "I413", "I414", "I415"} {
		result := run(t, tree, f.world(), lint.Options{Only: []string{rule}, Settings: f.settings})
		if len(result.Findings) != 0 || len(result.Skipped) != 1 || !strings.Contains(result.Skipped[0].Reason, "no route to host") {
			t.Errorf("%s: found %q, skipped %v; expected one skip that says why", rule, lines(result.Findings), result.Skipped)
		}
	}
}

func TestImageRulesSkipOffline(t *testing.T) {
	for _, rule := range []string{"I410", "I412", "I413", "I414", "I415"} {
		_, _, skipped := imageAnswer(t, rule, "nginx:1.27", "")
		if !slices.ContainsFunc(skipped, func(s lint.Skip) bool { return strings.HasPrefix(s.Reason, "offline: ") }) {
			t.Errorf("%s did not say that it skipped: %v", rule, skipped)
		}
	}
}

func TestImageFixes(t *testing.T) {
	const index, child = "sha256:" + a64, "sha256:" + b64
	tests := []struct{ rule, image, facts, want string }{
		{"I404", "nginx:1.27", "", "docker.io/library/nginx:1.27"},
		{"I404", "'${IMAGE:-a/b:1.2}'", "", "'${IMAGE:-docker.io/a/b:1.2}'"},
		{"I404", "${OWNER:-a}/b:1.2", "", ""},
		{"I412", "nginx:1.27@" + child, "image: nginx:1.27 " + index + " linux/amd64 linux/arm64\nimage: nginx:1.27@" + child + " " + child + " linux/amd64", "nginx:1.27@" + index},
		{"I413", "nginx:${TAG:-1.27.1}", "tags: nginx 1.27.1 1.27.2", "nginx:${TAG:-1.27.2}"},
	}
	for _, test := range tests {
		f := facts{}
		if test.facts != "" {
			f = parseFacts(t, test.facts)
		}
		tree := fstest.MapFS{"compose.yml": {Data: []byte(oneImage(test.image))}}
		findings := run(t, tree, f.world(), lint.Options{Only: []string{test.rule}}).Findings
		if len(findings) != 1 || (findings[0].Fix == nil) != (test.want == "") {
			t.Errorf("%s %s: found %q with fixes %t; expected one finding, and a fix: %t", test.rule, test.image, lines(findings), len(findings) > 0 && findings[0].Fix != nil, test.want != "")
			continue
		}
		if test.want == "" {
			continue
		}
		text := recipe.NewText("compose.yml", tree["compose.yml"].Data)
		edit := findings[0].Fix.Edits[0]
		from, to := text.Offset(edit.Start), text.Offset(edit.End)
		if got := string(text.Bytes[:from]) + edit.Text + string(text.Bytes[to:]); got != oneImage(test.want) {
			t.Errorf("%s %s: fixed to %q; expected %q", test.rule, test.image, got, oneImage(test.want))
		}
	}
}
