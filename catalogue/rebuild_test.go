package catalogue

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/lint"
)

func (w *world) rebuild(cfg Config, rules []lint.Rule, names ...string) *Rebuilding {
	w.t.Helper()
	client, err := w.open(w.path("public"), ClientOptions{})
	must(w.t, err)
	r, err := Rebuild(w.t.Context(), client, cfg, RebuildOptions{Names: names, Rules: rules, CacheDir: w.path("cache")})
	must(w.t, err)
	if r.Equal+r.Different+r.Unknown != len(r.Entries) {
		w.t.Errorf("counts that do not add up: %+v", r)
	}
	return r
}

func TestRebuildEqual(t *testing.T) {
	w := published(t)
	w.registry.Close()
	r := w.rebuild(config(w.web, w.proxy), testRules)
	var got []string
	for _, e := range r.Entries {
		got = append(got, e.Recipe+"@"+e.Version+" "+e.State+strings.Join(e.Notes, ";"))
	}
	if diff := cmp.Diff([]string{"proxy@0.1.0+v3 equal", "web@1.0.0+1.0 equal", "web@1.1.0+1.1 equal"}, got); diff != "" {
		t.Error(diff)
	}
	r = w.rebuild(config(w.web, w.proxy), testRules, "web@1.1.0+1.1")
	if len(r.Entries) != 1 || r.Equal != 1 {
		t.Errorf("%+v", r)
	}
	// A rule that is off by default is none of the verdict's.
	off := lint.Rule{ID: "T009", Name: "off", Summary: "off", Severity: lint.Warning, Off: true, Check: warnRule.Check}
	r = w.rebuild(config(w.web, w.proxy), append([]lint.Rule{off}, testRules...), "web@1.1.0+1.1")
	if r.Equal != 1 || len(r.Entries[0].Notes) != 0 {
		t.Errorf("%+v", r)
	}
	// The rules changed: their verdict says nothing.
	r = w.rebuild(config(w.web, w.proxy), []lint.Rule{refuseRule}, "web")
	if r.Equal != 2 || !strings.HasPrefix(r.Entries[0].Notes[0], "lint: judged by another rule set") {
		t.Errorf("%+v", r)
	}
}

// TestRebuildFromTheCommit has tags that moved and are gone, over git's objects as
// they are kept.
func TestRebuildFromTheCommit(t *testing.T) {
	w := published(t)
	old := entryIn(t, w.path("public"), "web", "1.0.0+1.0").Commit
	w.web.git("branch", "kept", "1.1.0+1.1")
	w.web.git("tag", "-d", "1.0.0+1.0")
	w.web.write("compose.yml", compose("1.2"))
	w.web.commit()
	w.web.git("tag", "-f", "-a", "-m", "again", "1.1.0+1.1")
	// Rules are shown a version that its tag does not stand for any more like others.
	spy := lint.Rule{ID: "T010", Name: "spy", Summary: "looks", Severity: lint.Info, Check: func(p *lint.Pass) {
		versions, err := p.World.History.Versions(p.Context)
		if err != nil || versions[len(versions)-1].Parsed.App == "" {
			t.Errorf("the version that is judged is %+v, %v", versions[len(versions)-1], err)
		}
	}}
	w.rebuild(config(w.web), append([]lint.Rule{spy}, testRules...), "web")
	r := w.rebuild(config(w.web), testRules, "web")
	if r.Equal != 2 {
		t.Fatalf("%+v", r)
	}
	if want := "the tag is gone; rebuilt from the published commit " + old; r.Entries[0].Notes[0] != want {
		t.Errorf("note %q, expected %q", r.Entries[0].Notes[0], want)
	}
	if want := "the tag moved: it names " + w.web.git("rev-parse", "HEAD") + " now; rebuilt from "; !strings.HasPrefix(r.Entries[1].Notes[0], want) {
		t.Errorf("note %q, expected %q", r.Entries[1].Notes[0], want)
	}

	// A repository that never had the commit.
	other := newRepo(t, "web")
	other.write("compose.yml", compose("1.0"))
	other.commit()
	r = w.rebuild(config(other), testRules, "web@1.0.0+1.0")
	if r.Unknown != 1 || !strings.Contains(r.Entries[0].Reason, "the published commit "+old+" is not there") {
		t.Errorf("%+v", r)
	}
}

func TestRebuildUnknown(t *testing.T) {
	w := published(t)
	cfg := config(w.web)
	cfg.Sources[0].Path = w.path("nowhere")
	r := w.rebuild(cfg, testRules)
	if r.Unknown != 3 || !strings.Contains(r.Entries[0].Reason, "no source of that name") || !strings.Contains(r.Entries[1].Reason, "nowhere") {
		t.Errorf("%+v", r)
	}
	client, err := w.open(w.path("public"), ClientOptions{})
	must(t, err)
	_, err = Rebuild(t.Context(), client, cfg, RebuildOptions{Rules: testRules, Names: []string{"wep"}})
	wants(t, err, fault.Unavailable, `recipe "wep" is not in the catalogue`)
}

// TestRebuildDifferent signs a catalogue whose publisher changed what the sources
// give: each field that was changed is named, and no other.
func TestRebuildDifferent(t *testing.T) {
	for field, change := range map[string]func(*Entry){
		"date":                               func(e *Entry) { e.Date = e.Date.Add(time.Hour) },
		"tagger":                             func(e *Entry) { e.Tagger = "Eve" },
		"message":                            func(e *Entry) { e.Message = "nothing to see" },
		"notes":                              func(e *Entry) { e.Notes = "" },
		"services of docker.io/acme/web:1.1": func(e *Entry) { e.Images[0].Services = []string{"app", "db"} },
		"lint":                               func(e *Entry) { e.Lint.Warnings = 0 },
		"lint fingerprints":                  func(e *Entry) { e.Lint.Fingerprints = []string{} },
		"lint gate":                          func(e *Entry) { e.Lint.Gate = "warning" },
		"overlays":                           func(e *Entry) { e.Overlays = []string{} },
		"images":                             func(e *Entry) { e.Images = e.Images[:1] },
	} {
		t.Run(field, func(t *testing.T) {
			w := newWorld(t)
			w.begin()
			w.web = webRepo(t)
			w.build(config(w.web), w.path("build"))
			w.forge("web", "1.1.0+1.1", change)
			w.sign(start)
			r := w.rebuild(config(w.web), testRules)
			if r.Equal != 1 || r.Different != 1 || len(r.Entries[1].Differences) != 1 || r.Entries[1].Differences[0].Field != field {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestRebuildAnotherBundle has a file in the published bundle that no commit has.
func TestRebuildAnotherBundle(t *testing.T) {
	w := published(t)
	other := webRepo(t)
	other.git("checkout", "--quiet", "1.1.0+1.1")
	other.write("abra.sh", "echo hello\n")
	other.write("compose.db.yml", overlay+"# other\n")
	other.commit()
	other.git("tag", "-f", "-a", "-m", "chore: publish 1.1.0+1.1 release", "1.1.0+1.1")
	w.build(config(other), w.path("other"))
	with := entryIn(t, w.path("other"), "web", "1.1.0+1.1").Bundle
	must(t, os.Rename(filepath.Join(w.path("other"), with.Path()), filepath.Join(w.path("build"), with.Path())))
	must(t, os.Remove(filepath.Join(w.path("build"), entryIn(t, w.path("build"), "web", "1.1.0+1.1").Bundle.Path())))
	w.forge("web", "1.1.0+1.1", func(e *Entry) { e.Bundle = with })
	must(t, os.RemoveAll(w.path("public")))
	w.sign(start)
	r := w.rebuild(config(w.web, w.proxy), testRules, "web@1.1.0+1.1")
	if r.Different != 1 || r.Entries[0].Differences[0].Field != "bundle" {
		t.Fatalf("%+v", r)
	}
	want := []string{"bundle: abra.sh is published and not in the source", "bundle: compose.db.yml differs"}
	if diff := cmp.Diff(want, r.Entries[0].Notes); diff != "" {
		t.Error(diff)
	}
}

// forge changes an entry of the build, and what names it.
func (w *world) forge(name, version string, change func(*Entry)) {
	w.t.Helper()
	e := entryIn(w.t, w.path("build"), name, version)
	head := headIn(w.t, w.path("build"), name)
	must(w.t, os.Remove(filepath.Join(w.path("build"), entryPath(head.Release(version).Entry))))
	change(e)
	data, err := encode(e, "")
	must(w.t, err)
	head.Release(version).Entry = hashOf(data)
	must(w.t, os.WriteFile(filepath.Join(w.path("build"), entryPath(hashOf(data))), data, 0o644))
	data, err = encode(head, "")
	must(w.t, err)
	must(w.t, os.WriteFile(filepath.Join(w.path("build"), recipePath(name)), data, 0o644))
	must(w.t, os.Remove(filepath.Join(w.path("build"), recipesName)))
	must(w.t, os.Remove(filepath.Join(w.path("build"), indexName)))
	out, err := openOutput(w.t.Context(), w.path("build"))
	must(w.t, err)
	b := &builder{cfg: config(), out: out}
	b.state, err = b.readState()
	must(w.t, err)
	must(w.t, b.finish())
	must(w.t, out.close())
}
