package catalogue

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/internal/localregistry"
	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/registry"
	"github.com/galley-coop/galley/schemas"
)

func TestBuildTwiceGivesTheSameBytes(t *testing.T) {
	w := newWorld(t)
	web, proxy := webRepo(t), proxyRepo(t)
	cold := w.path("cold")
	cache := w.path("registry-cache")
	build := func(cfg Config, output string, resolver *registry.Resolver, now time.Time) *Report {
		report, err := Build(t.Context(), cfg, BuildOptions{Output: output, Resolver: resolver, Rules: []lint.Rule{refuseRule, warnRule}, Now: now})
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
	build(config(web, proxy), cold, w.resolver(cache), start)

	elsewhere := t.TempDir()
	cfg := Config{Name: "Test"}
	for _, r := range []gitRepo{proxy, web} { // in another order, too
		clone := filepath.Join(elsewhere, "deeper", filepath.Base(r.dir)+"-clone")
		r.git("clone", "--quiet", "--bare", r.dir, clone)
		cfg.Sources = append(cfg.Sources, Source{Name: filepath.Base(r.dir), Path: clone, Gate: "error"})
	}
	cached := w.path("cached")
	resolver := w.resolver(cache)
	build(cfg, cached, resolver, start.Add(time.Hour))
	if gets := resolver.Stats().Gets; gets != 0 {
		t.Errorf("the second build sent %d GETs, expected the cache to answer", gets)
	}
	sameTree(t, cold, cached)

	build(cfg, cached, resolver, start.Add(2*time.Hour)) // over itself
	sameTree(t, cold, cached)
}

func TestBuildReport(t *testing.T) {
	w := newWorld(t)
	web := webRepo(t)
	web.git("tag", "1.2.0+1.1")
	report := w.build(config(web, proxyRepo(t)), w.path("build"))
	if report.Recipes != 2 || report.Versions != 3 || report.Refused != 1 || report.Requests.References != 4 || report.Requests.Heads != 4 {
		t.Errorf("report counts wrongly: %+v", report)
	}
	if err := report.Write(w.path("report.json")); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(w.path("report.json"))
	if err != nil {
		t.Fatal(err)
	}
	if found, err := schemas.Validate("report", data); err != nil || len(found) > 0 {
		t.Errorf("the report does not fit its schema: %v %v", found, err)
	}
}

func TestBuildWritesRecipesJSON(t *testing.T) {
	w := newWorld(t)
	web := webRepo(t)
	w.build(config(web), w.path("build"))
	got, err := os.ReadFile(w.path("build/recipes.json"))
	if err != nil {
		t.Fatal(err)
	}
	digest := func(image string) string {
		d, err := localregistry.TinyT(t, image, "linux/amd64", "linux/arm64").Digest()
		if err != nil {
			t.Fatal(err)
		}
		return d.String()
	}
	want := strings.NewReplacer("WEB0", digest("acme/web:1.0"), "WEB1", digest("acme/web:1.1"), "DB", digest("acme/db:11.4")).Replace(`{
    "web": {
        "category": "Apps",
        "default_branch": "main",
        "description": "A page for everyone.",
        "features": {
            "backups": "No",
            "email": "N/A",
            "healthcheck": "Yes",
            "image": {
                "image": "web",
                "rating": "4",
                "source": "upstream",
                "url": "https://hub.docker.com/r/acme/web"
            },
            "status": 3,
            "tests": "2",
            "sso": "No"
        },
        "icon": "",
        "name": "web",
        "repository": "",
        "ssh_url": "",
        "versions": [
            {
                "1.0.0+1.0": {
                    "app": {
                        "image": "acme/web",
                        "tag": "1.0",
                        "digest": "WEB0"
                    }
                }
            },
            {
                "1.1.0+1.1": {
                    "app": {
                        "image": "acme/web",
                        "tag": "1.1",
                        "digest": "WEB1"
                    },
                    "db": {
                        "image": "acme/db",
                        "tag": "11.4",
                        "digest": "DB"
                    }
                }
            }
        ],
        "website": ""
    }
}
`)
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestBuildWritesEntries(t *testing.T) {
	w := newWorld(t)
	web := webRepo(t)
	w.build(config(web), w.path("build"))
	e := entryIn(t, w.path("build"), "web", "1.1.0+1.1")
	if e.Version != "1.1.0+1.1" || e.Notes != "Now with a database." || e.Tagger != "Ada" ||
		e.Commit != web.git("rev-parse", "HEAD") || e.Tag != web.git("rev-parse", "1.1.0+1.1") ||
		!e.Date.Equal(time.Date(2024, 5, 6, 5, 8, 9, 0, time.UTC)) || e.Compose != "compose.yml" || !cmp.Equal(e.Overlays, []string{"compose.db.yml"}) {
		t.Errorf("entry is wrong: %+v", e)
	}
	if !e.Lint.Vetted || e.Lint.Warnings != 1 || len(e.Lint.Fingerprints) != 1 || e.Lint.Gate != "error" {
		t.Errorf("verdict is wrong: %+v", e.Lint)
	}
	image := e.Image("docker.io/acme/web:1.1")
	if image == nil || len(image.Platforms) != 2 || image.Platforms[1].Platform != "linux/arm64" || !cmp.Equal(image.Services, []string{"app"}) {
		t.Errorf("image is wrong: %+v", image)
	}
}

func TestBuildRefusesVersionsOneByOne(t *testing.T) {
	w := newWorld(t)
	w.registry.PushT(t, "acme/amd:1", localregistry.TinyT(t, "amd", "linux/amd64"))
	r := newRepo(t, "web")
	r.write("compose.yml", compose("1.0"))
	r.release("1.0.0+1.0")
	r.git("tag", "1.0.1+1.0")
	r.git("tag", "-a", "-m", "old form", "v1.0.3")
	r.git("tag", "-a", "-m", "a blob", "1.0.2+1.0", r.git("hash-object", "-w", "compose.yml"))
	r.write("compose.yml", compose("1.0")+"# REFUSE\n")
	r.release("1.1.0+1.0")
	r.write("compose.yml", compose("9.9"))
	r.release("1.2.0+9.9")
	r.write("compose.yml", "services:\n  app:\n    image: acme/web:${TAG}\n")
	r.release("1.3.0+1.0")
	r.write("compose.yml", "services:\n  app:\n    image: acme/amd:1\n")
	r.release("1.4.0+1")
	r.write("compose.yml", "services:\n  app:\n    image: acme/web\n")
	r.release("1.5.0+x")
	r.write("compose.yml", "services: [\n")
	r.release("1.6.0+x")
	r.git("rm", "--quiet", "compose.yml")
	r.release("1.7.0+x")
	r.write("compose.yml", compose("1.1"))
	if err := os.Symlink("/etc/passwd", filepath.Join(r.dir, "link")); err != nil {
		t.Fatal(err)
	}
	r.release("1.8.0+1.1")
	r.git("rm", "--quiet", "link")
	r.write("bad\tname.txt", "")
	r.release("1.9.0+1.1")
	r.git("rm", "--quiet", "bad\tname.txt")
	r.release("2.0.0+1.1")

	cfg := config(r, proxyRepo(t))
	cfg.Platforms = []registry.Platform{{OS: "linux", Architecture: "arm64"}}
	cfg.Sources = append(cfg.Sources, Source{Name: "gone", Path: w.path("nowhere"), Gate: "error"})
	report := w.build(cfg, w.path("build"))

	reasons := map[string]string{
		"1.0.1+1.0": "the tag is lightweight",
		"v1.0.3":    "the tag's name is no version",
		"1.0.2+1.0": "commit",
		"1.1.0+1.0": `lint gate "error": T001; compose.yml:1:1: the word REFUSE is there`,
		"1.2.0+9.9": "acme/web:9.9",
		"1.3.0+1.0": `compose.yml:3:12: image "acme/web:${TAG}" of service "app" has the variable "TAG"`,
		"1.4.0+1":   `image "acme/amd:1" has no linux/arm64; it has linux/amd64`,
		"1.5.0+x":   "neither a tag nor a digest",
		"1.6.0+x":   "compose.yml:",
		"1.7.0+x":   "there is no compose file",
		"1.8.0+1.1": `"link" is a symlink`,
		"1.9.0+1.1": "contains a control character",
	}
	var web SourceReport
	for _, s := range report.Sources {
		switch s.Name {
		case "web":
			web = s
		case "gone":
			if !strings.Contains(s.Error, "nowhere") {
				t.Errorf("source gone: error %q", s.Error)
			}
		}
	}
	for _, refusal := range web.Refused {
		want, ok := reasons[refusal.Version]
		if !ok || !strings.Contains(refusal.Reason, want) {
			t.Errorf("%s refused with %q, expected %q", refusal.Version, refusal.Reason, want)
		}
		delete(reasons, refusal.Version)
		if gate := refusal.Version == "1.1.0+1.0"; gate != (len(refusal.Findings) > 0) {
			t.Errorf("%s refused with %d findings", refusal.Version, len(refusal.Findings))
		}
	}
	for version := range reasons {
		t.Errorf("%s was not refused", version)
	}
	if diff := cmp.Diff([]string{"1.0.0+1.0", "2.0.0+1.1"}, web.Published); diff != "" {
		t.Error(diff)
	}
	if len(report.Failed()) != 1 || report.Recipes != 2 {
		t.Errorf("report has %d recipes and %d failed sources", report.Recipes, len(report.Failed()))
	}
	if _, err := report.JSON(); err != nil {
		t.Error(err)
	}
}

func TestBuildGateOff(t *testing.T) {
	w := newWorld(t)
	r := newRepo(t, "web")
	r.write("compose.yml", compose("1.0")+"# REFUSE\n")
	r.release("1.0.0+1.0")
	cfg := config(r)
	cfg.Sources[0].Gate = GateOff
	if report := w.build(cfg, w.path("build")); report.Versions != 1 {
		t.Fatalf("published %d versions, expected 1: %+v", report.Versions, report.Sources)
	}
	if verdict := entryIn(t, w.path("build"), "web", "1.0.0+1.0").Lint; verdict.Vetted || verdict.Errors != 1 {
		t.Errorf("verdict %+v, expected one error and not vetted", verdict)
	}
}

func TestBuildBundlesTrackedFilesOnly(t *testing.T) {
	w := newWorld(t)
	r := webRepo(t)
	r.write("untracked.txt", "private")
	r.write("compose.yml", "changed and not committed")
	w.build(config(r), w.path("build"))
	for name, content := range snapshotOf(t, w.path("build")) {
		if strings.Contains(content, "private") || strings.Contains(content, "not committed") {
			t.Errorf("%s holds what is not in the commit", name)
		}
	}
	if status := r.git("status", "--porcelain"); status != "M compose.yml\n?? untracked.txt" {
		t.Errorf("the source was changed: %q", status)
	}
}

func TestBuildKeepsForeignFiles(t *testing.T) {
	w := newWorld(t)
	out := w.path("build")
	for _, name := range []string{"notes.txt", "v1/other.json", "v1/bundles/x.tar", "v1/recipes/UPPER.json"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(out, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte("mine"), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := Build(t.Context(), config(), BuildOptions{Output: out, Resolver: w.resolver(""), Rules: []lint.Rule{warnRule}})
			wants(t, err, fault.Usage, name)
			if _, err := os.Stat(path); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestBuildCancelledIsGoneOnFrom sees that a run that stops half way keeps what it
// finished, and that the next one ends where one that was not stopped does.
func TestBuildCancelledIsGoneOnFrom(t *testing.T) {
	w := newWorld(t)
	web, proxy := webRepo(t), proxyRepo(t)
	w.build(config(web, proxy), w.path("whole"))
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Build(ctx, config(web, proxy), BuildOptions{
		Output: w.path("build"), Resolver: w.resolver(""), Rules: []lint.Rule{refuseRule, warnRule},
		Progress: func(e Event) { cancel() },
	})
	if err == nil {
		t.Fatal("no error from a build that was cancelled")
	}
	report := w.build(config(web, proxy), w.path("build"))
	if report.Versions != 3 {
		t.Errorf("%d versions, expected 3", report.Versions)
	}
	sameTree(t, w.path("whole"), w.path("build"))
}

// TestBuildVerdictIgnoresLaterTags sees that a version's rules are shown the
// releases up to it and nothing else.
func TestBuildVerdictIgnoresLaterTags(t *testing.T) {
	w := newWorld(t)
	r := webRepo(t)
	r.git("tag", "0.5.0+1.0") // lightweight
	seen := map[string]int{}
	spy := lint.Rule{ID: "T003", Name: "spy", Severity: lint.Info, Check: func(p *lint.Pass) {
		versions, err := p.World.History.Versions(p.Context)
		if err != nil {
			t.Error(err)
		}
		seen[versions[len(versions)-1].Name] = len(versions)
	}}
	_, err := Build(t.Context(), config(r), BuildOptions{Output: w.path("build"), Resolver: w.resolver(""), Rules: []lint.Rule{spy}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"1.0.0+1.0": 1, "1.1.0+1.1": 2}, seen); diff != "" {
		t.Error(diff)
	}
}
