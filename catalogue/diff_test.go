package catalogue

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/internal/localregistry"
	"github.com/galley-coop/galley/lint"
)

// recorded serves a folder and notes what is asked for, and how much at a time.
type recorded struct {
	url string

	mu       sync.Mutex
	asked    []string
	now, max int
}

func record(t *testing.T, dir string) *recorded {
	t.Helper()
	r, files := &recorded{}, http.FileServer(http.Dir(dir))
	r.url = serveHandler(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		r.asked = append(r.asked, strings.TrimPrefix(q.URL.Path, "/"))
		r.now++
		r.max = max(r.max, r.now)
		r.mu.Unlock()
		files.ServeHTTP(w, q)
		r.mu.Lock()
		r.now--
		r.mu.Unlock()
	}))
	return r
}

// content are the heads and entries that were asked for.
func (r *recorded) content() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := slices.DeleteFunc(slices.Clone(r.asked), func(name string) bool {
		return !strings.HasPrefix(name, recipesDir+"/") && !strings.HasPrefix(name, entriesDir+"/")
	})
	slices.Sort(names)
	return names
}

func (w *world) diff(before, after string, recipes ...string) (*Difference, error) {
	w.t.Helper()
	a, err := w.open(before, ClientOptions{})
	must(w.t, err)
	if IsUnsigned(after) {
		b, err := OpenUnsigned(after)
		must(w.t, err)
		defer b.Close()
		return Diff(w.t.Context(), a, b, recipes...)
	}
	b, err := w.open(after, ClientOptions{})
	must(w.t, err)
	return Diff(w.t.Context(), a, b, recipes...)
}

func (w *world) mustDiff(before, after string, recipes ...string) *Difference {
	w.t.Helper()
	d, err := w.diff(before, after, recipes...)
	must(w.t, err)
	return d
}

// TestDiffSame: metadata that was signed anew is no difference, and to see that no
// recipe is read.
func TestDiffSame(t *testing.T) {
	w := published(t)
	copyTree(t, w.path("public"), w.path("before"))
	w.sign(start)
	a, b := record(t, w.path("before")), record(t, w.path("public"))
	d := w.mustDiff(a.url, b.url)
	if !d.Same || d.Compared != 2 || d.Before.Version != 1 || d.After.Version != 2 || d.After.Name != "Test" || !d.After.Signed {
		t.Errorf("%+v", d)
	}
	if read := append(a.content(), b.content()...); len(read) > 0 {
		t.Errorf("read %q", read)
	}
	if d := w.mustDiff(a.url, w.path("build")); !d.Same || d.After.Signed || d.After.Fingerprint != "" {
		t.Errorf("the build that was signed: %+v", d)
	}
	if text := d.Markdown(); text != "# Changes of Test\n\nNone.\n" {
		t.Errorf("markdown %q", text)
	}
}

// changes makes a later catalogue: a version of web is new, one withdrawn, one
// judged by other rules; a recipe is new.
func (w *world) changes() (before string) {
	w.t.Helper()
	before = w.path("before")
	copyTree(w.t, w.path("public"), before)
	w.registry.PushT(w.t, "acme/blog:1", localregistry.TinyT(w.t, "blog", "linux/amd64", "linux/arm64"))
	blog := newRepo(w.t, "blog")
	blog.write("README.md", "# Blog\n\nA *blog* <b>for</b> all.\n")
	blog.write(".env.sample", "TYPE=blog\n")
	blog.write("compose.yml", "services:\n  app:\n    image: acme/blog:1\n")
	blog.release("0.1.0+1")
	w.web.write("compose.yml", compose("1.2"))
	w.web.write("release/1.2.0+1.2", "Faster.\n\n## <script>alert(1)</script>\n\n```\nnever closed\n")
	w.web.release("1.2.0+1.2")
	w.again(config(w.web, w.proxy, blog), func(o *BuildOptions) {
		o.Yanked = Yanks{"web": {"1.0.0+1.0": "loses mails"}}
	})
	w.again(config(w.web, w.proxy, blog), func(o *BuildOptions) {
		o.Yanked = Yanks{"web": {"1.0.0+1.0": "loses mails"}}
		o.Rules, o.Relint = []lint.Rule{refuseRule, warnRule, secondRule}, true
	})
	return before
}

// secondRule is another warning.
var secondRule = lint.Rule{
	ID: "T003", Name: "second", Summary: "warns about web", Severity: lint.Warning,
	Check: func(p *lint.Pass) {
		if p.Recipe.Name == "web" {
			p.Report(lint.AtFile("compose.yml"), "a second warning")
		}
	},
}

var (
	hexes    = regexp.MustCompile(`\b[0-9a-f]{12,64}\b`)
	ruleSets = regexp.MustCompile(`\brules-v[0-9]+-[0-9a-f]+\b`)
)

// stableText makes digests, rule sets and folders alike.
func (w *world) stableText(text string) string {
	text = strings.ReplaceAll(text, w.dir, "DIR")
	return hexes.ReplaceAllString(ruleSets.ReplaceAllString(text, "RULES"), "HEX")
}

func TestDiffGolden(t *testing.T) {
	w := published(t)
	before := w.changes()
	d := w.mustDiff(before, w.path("build"))
	w.sign(start)
	signed := w.mustDiff(before, w.path("public"))
	after := d.After
	d.After = signed.After
	if diff := cmp.Diff(d, signed); diff != "" {
		t.Errorf("the build and what was signed of it differ:\n%s", diff)
	}
	d.After = after
	var text, coloured strings.Builder
	must(t, d.Render(&text, false))
	must(t, d.Render(&coloured, true))
	document, err := encode(d, "  ")
	must(t, err)
	for name, got := range map[string]string{"diff.txt": text.String(), "diff.md": d.Markdown(), "diff.json": string(document)} {
		name, got := filepath.Join("testdata", name), w.stableText(got)
		if *update {
			must(t, os.WriteFile(name, []byte(got), 0o644))
		}
		want, err := os.ReadFile(name)
		must(t, err)
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	plain := regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(coloured.String(), "")
	if plain != text.String() || !strings.Contains(coloured.String(), "\x1b[32m+ blog") {
		t.Errorf("coloured:\n%q", coloured.String())
	}
}

// TestDiffDigests: the step to the newest version has the digests of the registry.
func TestDiffDigests(t *testing.T) {
	w := published(t)
	before := w.changes()
	d := w.mustDiff(before, w.path("build"))
	old, now := entryIn(t, before, "web", "1.1.0+1.1"), entryIn(t, w.path("build"), "web", "1.2.0+1.2")
	const reference = "docker.io/acme/web:"
	want := &NewestChange{"1.1.0+1.1", "1.2.0+1.2", []ImageChange{{
		&Pin{reference + "1.1", old.Image(reference + "1.1").Digest}, &Pin{reference + "1.2", now.Image(reference + "1.2").Digest},
	}}}
	if len(d.Changed) != 2 || d.Changed[1].Name != "web" {
		t.Fatalf("changed: %+v", d.Changed)
	}
	if diff := cmp.Diff(want, d.Changed[1].Newest); diff != "" {
		t.Error(diff)
	}
	if len(d.Broken) > 0 {
		t.Errorf("broken: %+v", d.Broken)
	}
}

// TestDiffReadsWhatDiffers counts requests: the head of the one recipe that
// changed and three entries, each once, none of the recipe that did not.
func TestDiffReadsWhatDiffers(t *testing.T) {
	w := published(t)
	copyTree(t, w.path("public"), w.path("before"))
	w.release()
	w.sign(start)
	a, b := record(t, w.path("before")), record(t, w.path("public"))
	d := w.mustDiff(a.url, b.url)
	if len(d.Changed) != 1 || len(d.Changed[0].Added) != 1 || d.Compared != 2 {
		t.Fatalf("%+v", d)
	}
	old, now := headIn(t, w.path("before"), "web"), headIn(t, w.path("public"), "web")
	head := regexp.MustCompile(`^v1/recipes/[0-9a-f]{64}\.web\.json$`)
	read := a.content()
	if len(read) != 2 || read[0] != entryPath(old.Newest().Entry) || !head.MatchString(read[1]) {
		t.Errorf("read of the earlier: %q", read)
	}
	read = b.content()
	if len(read) != 2 || read[0] != entryPath(now.Newest().Entry) || !head.MatchString(read[1]) {
		t.Errorf("read of the later: %q", read)
	}
	if d := w.mustDiff(a.url, b.url, "proxy"); !d.Same || d.Compared != 1 || d.Before.Name != "" {
		t.Errorf("of proxy alone: %+v", d)
	}
	if d := w.mustDiff(a.url, b.url, "web", "web"); d.Same || d.Compared != 1 {
		t.Errorf("of web alone: %+v", d)
	}
	if slices.Contains(a.asked[len(a.asked)-1:], indexName) {
		t.Error("the index was read for named recipes")
	}
}

// TestDiffBroken: a build that started from nothing, with a moved tag, a removed
// one, an image tag that names something else and a recipe less.
func TestDiffBroken(t *testing.T) {
	w := published(t)
	old := entryIn(t, w.path("public"), "web", "1.1.0+1.1")
	w.registry.PushT(t, "acme/db:11.4", localregistry.TinyT(t, "another", "linux/amd64", "linux/arm64"))
	w.web.git("tag", "-d", "1.0.0+1.0", "1.1.0+1.1")
	w.web.release("1.1.0+1.1")
	w.build(config(w.web), w.path("other"))
	now := entryIn(t, w.path("other"), "web", "1.1.0+1.1")

	d := w.mustDiff(w.path("public"), w.path("other"))
	const db = "docker.io/acme/db:11.4"
	want := []Broken{
		{"proxy", "0.1.0+v3", "version", "0.1.0+v3", ""},
		{"web", "1.0.0+1.0", "version", "1.0.0+1.0", ""},
		{"web", "1.1.0+1.1", "tag", old.Tag, now.Tag},
		{"web", "1.1.0+1.1", "commit", old.Commit, now.Commit},
		{"web", "1.1.0+1.1", "image " + db, old.Image(db).Digest, now.Image(db).Digest},
	}
	if diff := cmp.Diff(want, d.Broken); diff != "" {
		t.Error(diff)
	}
	var text strings.Builder
	must(t, d.Render(&text, false))
	for _, line := range []string{
		`(?m)^! web +1\.1\.0\+1\.1  image docker\.io/acme/db:11\.4 changed from sha256:[0-9a-f]{64} to sha256:[0-9a-f]{64}: this must never happen$`,
		`(?m)^! proxy +0\.1\.0\+v3 +is published and gone: this must never happen$`,
		`0 added, 1 removed, 1 changed; 2 recipes compared; must never happen: 5\n$`,
	} {
		if !regexp.MustCompile(line).MatchString(text.String()) {
			t.Errorf("%s is not in:\n%s", line, text.String())
		}
	}
	if !strings.Contains(d.Markdown(), "**Warning: what is published changed") {
		t.Errorf("no warning in:\n%s", d.Markdown())
	}
	_, err := Sign(t.Context(), SignOptions{
		Build: w.path("other"), Public: w.path("public"), Now: start,
		Keys: w.signOptions(start).Keys, Root: w.signOptions(start).Root,
	})
	wants(t, err, fault.Refused, "is published and") // as sign says
}

func TestDiffRefuses(t *testing.T) {
	w := published(t)
	public := w.path("public")
	_, err := w.diff(public, public, "wep")
	wants(t, err, fault.Unavailable, `recipe "wep" is not in the catalogue`)
	if fault.HintOf(err) != "did you mean web?" {
		t.Errorf("hint %q", fault.HintOf(err))
	}
	_, err = w.diff(public, public, "../web")
	wants(t, err, fault.Usage, "recipe name")
	w.release()
	entry := entryPath(headIn(t, w.path("build"), "web").Newest().Entry)
	flip(t, filepath.Join(w.path("build"), entry), 40)
	_, err = w.diff(public, w.path("build"))
	wants(t, err, fault.Refused, entry)
	must(t, os.Remove(filepath.Join(w.path("build"), entry)))
	_, err = w.diff(public, w.path("build"))
	wants(t, err, fault.Unavailable, entry)
	flip(t, filepath.Join(w.path("build"), recipePath("web")), 1)
	_, err = w.diff(public, w.path("build"))
	wants(t, err, fault.Refused, recipePath("web"))
	for _, location := range []string{public, w.path("nowhere"), "https://example.org", w.dir} {
		if IsUnsigned(location) {
			t.Errorf("%s is taken for a build", location)
		}
	}
}

// TestDiffIsBounded: a dozen recipes are new, and never more is asked at a time
// than a client may.
func TestDiffIsBounded(t *testing.T) {
	w := newWorld(t)
	w.begin()
	w.build(config(), w.path("build"))
	w.sign(start)
	copyTree(t, w.path("public"), w.path("before"))
	var repos []gitRepo
	for _, name := range strings.Fields("m c a k b j d i e h f g l") {
		r := newRepo(t, name)
		r.write(".env.sample", "TYPE="+name+"\n")
		r.write("compose.yml", compose("1.0"))
		r.release("1.0.0+1.0")
		repos = append(repos, r)
	}
	w.build(config(repos...), w.path("build"))
	w.sign(start)
	after := record(t, w.path("public"))
	d := w.mustDiff(w.path("before"), after.url)
	var added []string
	for _, r := range d.Added {
		added = append(added, r.Name)
	}
	if got := strings.Join(added, ""); got != "abcdefghijklm" || len(after.content()) != 26 {
		t.Errorf("added %q, read %d", got, len(after.content()))
	}
	if after.max > maxAtOnce {
		t.Errorf("%d requests at a time, want at most %d", after.max, maxAtOnce)
	}
	d = w.mustDiff(after.url, w.path("before"))
	if len(d.Removed) != 13 || len(d.Broken) != 13 || d.Removed[0].Name != "a" || d.Broken[12].Recipe != "m" {
		t.Errorf("the other way round: %d removed, broken %+v", len(d.Removed), d.Broken)
	}
}

func TestImageChangesPair(t *testing.T) {
	image := func(text string) (list []Image) {
		for _, one := range strings.Fields(text) {
			reference, digest, _ := strings.Cut(one, "@")
			list = append(list, Image{Reference: "docker.io/" + reference, Digest: digest})
		}
		return list
	}
	show := func(p *Pin) string {
		if p == nil {
			return "none"
		}
		return strings.TrimPrefix(p.Reference, "docker.io/") + "@" + p.Digest
	}
	for _, test := range [][3]string{
		{"a/web:1@x", "a/web:1@x", ""},
		{"a/web:1@x", "a/web:1@y", "a/web:1@x>a/web:1@y"},
		{"a/web:1@x", "a/web:2@x", "a/web:1@x>a/web:2@x"},
		{"a/web:1@x b/db:1@x", "c/db:1@x a/web:2@y", "a/web:1@x>a/web:2@y b/db:1@x>none none>c/db:1@x"},
		{"a/web:1@x a/web:2@x", "a/web:3@x a/web:2@x", "a/web:1@x>a/web:3@x"},
		{"a/web:1@x", "a/web:2@x a/web:3@x", "a/web:1@x>a/web:2@x none>a/web:3@x"},
		{"", "a/web:1@x", "none>a/web:1@x"},
	} {
		var got []string
		for _, c := range imageChanges(image(test[0]), image(test[1])) {
			got = append(got, show(c.Before)+">"+show(c.After))
		}
		if strings.Join(got, " ") != test[2] {
			t.Errorf("%q to %q: %q, want %q", test[0], test[1], got, test[2])
		}
	}
}

// TestMarkdownIsText: nothing that a recipe says becomes markup.
func TestMarkdownIsText(t *testing.T) {
	evil := "a](x) <img src=x> `b` | *c* _d_ # ~e~ \n## heading\x1b[31m"
	d := &Difference{After: DiffSide{Name: evil}, Added: []RecipeSummary{{
		Name: "web", Description: evil, Newest: &VersionSummary{Version: "1.0.0+1", Notes: "> x\n<b>\n\n# y"},
	}}}
	got := d.Markdown()
	const line = "a\\](x) \\<img src=x\\> \\`b\\` \\| \\*c\\* \\_d\\_ \\# \\~e\\~ \\#\\# heading\\[31m"
	want := "# Changes of " + line + "\n\n## New recipes\n\n### web 1.0.0+1\n\n" + line + "\n\n> > x\n> &lt;b>\n>\n> # y\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
