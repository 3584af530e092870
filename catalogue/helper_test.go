package catalogue

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/internal/localregistry"
	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/registry"
)

// start is the moment at which the tests' catalogues begin.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// gitRepo is a recipe's repository that a test makes with git itself.
type gitRepo struct {
	t   testing.TB
	dir string
}

func newRepo(t testing.TB, name string) gitRepo {
	t.Helper()
	r := gitRepo{t, filepath.Join(t.TempDir(), name)}
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r.git("init", "--quiet", "--initial-branch=main")
	return r
}

func (r gitRepo) git(args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", append([]string{"-C", r.dir}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.org", "GIT_AUTHOR_DATE=2024-05-06T07:08:09+02:00",
		"GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.org", "GIT_COMMITTER_DATE=2024-05-06T07:08:09+02:00")
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r gitRepo) write(name, content string) {
	r.t.Helper()
	path := filepath.Join(r.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

func (r gitRepo) commit() {
	r.t.Helper()
	r.git("add", "--all")
	r.git("commit", "--quiet", "--allow-empty", "-m", "a change")
}

// release commits what is there and tags it.
func (r gitRepo) release(version string) {
	r.t.Helper()
	r.commit()
	r.git("tag", "-a", "-m", "chore: publish "+version+" release", version)
}

const readme = `# Web

A page for everyone.

<!-- metadata -->
* **Category**: Apps
* **Status**: 3, stable
* **Image**: [` + "`web`" + `](https://hub.docker.com/r/acme/web), 4, upstream
* **Healthcheck**: Yes
* **Backups**: No
* **Email**: N/A
* **Tests**: 2
* **SSO**: No
<!-- endmetadata -->
`

const overlay = "services:\n  db:\n    image: acme/db:11.4\n"

func compose(tag string) string {
	return "services:\n  app:\n    image: acme/web:" + tag + "\n"
}

// webRepo is a recipe with two releases, an overlay and notes.
func webRepo(t testing.TB) gitRepo {
	r := newRepo(t, "web")
	r.write("README.md", readme)
	r.write(".env.sample", "TYPE=web\nDOMAIN=web.example.org\n")
	r.write("compose.yml", compose("1.0"))
	r.release("1.0.0+1.0")
	r.write("compose.yml", compose("1.1"))
	r.write("compose.db.yml", overlay)
	r.write("release/1.1.0+1.1", "Now with a database.\n")
	r.release("1.1.0+1.1")
	return r
}

// proxyRepo is a second recipe, with one release.
func proxyRepo(t testing.TB) gitRepo {
	r := newRepo(t, "proxy")
	r.write(".env.sample", "TYPE=proxy\n")
	r.write("compose.yml", "services:\n  app:\n    image: proxy:${PROXY_TAG:-v3}\n")
	r.release("0.1.0+v3")
	return r
}

// refuseRule finds the word REFUSE in a compose file's text.
var refuseRule = lint.Rule{
	ID: "T001", Name: "no-refuse", Summary: "the word REFUSE is not used", Severity: lint.Error,
	Check: func(p *lint.Pass) {
		for _, d := range p.Recipe.Documents() {
			if bytes.Contains(d.Text.Bytes, []byte("REFUSE")) {
				p.Report(d.Text.LineRange(1), "the word REFUSE is there")
			}
		}
	},
}

// warnRule always warns, so that verdicts have something in them.
var warnRule = lint.Rule{
	ID: "T002", Name: "always", Summary: "always warns", Severity: lint.Warning,
	Check: func(p *lint.Pass) { p.Report(lint.AtFile("compose.yml"), "a warning") },
}

// world is a registry with the images of the sample recipes, and where things go.
type world struct {
	t        testing.TB
	registry *localregistry.Registry
	dir      string
	web      gitRepo // of published
	proxy    gitRepo
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, registry: localregistry.StartT(t), dir: t.TempDir()}
	for _, image := range []string{"acme/web:1.0", "acme/web:1.1", "acme/web:1.2", "acme/db:11.4", "library/proxy:v3"} {
		w.registry.PushT(t, image, localregistry.TinyT(t, image, "linux/amd64", "linux/arm64"))
	}
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// resolver asks the world's registry for everything.
func (w *world) resolver(cache string) *registry.Resolver {
	r := registry.New(registry.Options{
		CacheDir: cache, Rewrites: map[string]string{"docker.io": w.registry.Addr}, Insecure: []string{w.registry.Addr},
		Timeout: 5 * time.Second, Backoff: time.Millisecond,
	})
	w.t.Cleanup(r.Close)
	return r
}

func config(repos ...gitRepo) Config {
	cfg := Config{Name: "Test"}
	for _, r := range repos {
		cfg.Sources = append(cfg.Sources, Source{Name: filepath.Base(r.dir), Path: r.dir, Gate: "error"})
	}
	return cfg
}

func (w *world) build(cfg Config, output string) *Report {
	w.t.Helper()
	report, err := Build(w.t.Context(), cfg, BuildOptions{
		Output: output, Resolver: w.resolver(""), Rules: []lint.Rule{refuseRule, warnRule}, Now: start,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return report
}

// begin makes keys and a root.
func (w *world) begin() {
	w.t.Helper()
	if _, err := Init(w.path("publisher"), InitOptions{Name: "Test", Now: start}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) signOptions(now time.Time) SignOptions {
	return SignOptions{
		Build: w.path("build"), Public: w.path("public"),
		Keys: filepath.Join(w.path("publisher"), KeysName), Root: filepath.Join(w.path("publisher"), RootName), Now: now,
	}
}

func (w *world) sign(now time.Time) *Signed {
	w.t.Helper()
	signed, err := Sign(w.t.Context(), w.signOptions(now))
	if err != nil {
		w.t.Fatal(err)
	}
	return signed
}

// published is a world with a catalogue of two recipes, signed at start.
func published(t testing.TB) *world {
	t.Helper()
	w := newWorld(t)
	w.begin()
	w.web, w.proxy = webRepo(t), proxyRepo(t)
	w.build(config(w.web, w.proxy), w.path("build"))
	w.sign(start)
	return w
}

// release adds version 1.2.0+1.2 of the recipe web and builds it.
func (w *world) release() *Report {
	w.t.Helper()
	w.web.write("compose.yml", compose("1.2"))
	w.web.release("1.2.0+1.2")
	return w.build(config(w.web, w.proxy), w.path("build"))
}

func (w *world) verify(location string, now time.Time) *Verification {
	w.t.Helper()
	v, err := Verify(w.t.Context(), location, VerifyOptions{Now: now})
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

func (w *world) open(location string, opts ClientOptions) (*Client, error) {
	if opts.Now.IsZero() {
		opts.Now = start
	}
	c, err := Open(w.t.Context(), location, opts)
	if err == nil {
		w.t.Cleanup(func() { _ = c.Close() })
	}
	return c, err
}

// readAll reads what a deploy of every recipe's newest version reads.
func readAll(ctx context.Context, c *Client) error {
	index, err := c.Index(ctx)
	if err != nil {
		return err
	}
	for _, item := range index.Recipes {
		if item.Newest == "" {
			continue
		}
		_, entry, err := c.Entry(ctx, item.Name, "")
		if err != nil {
			return err
		}
		files, err := c.Bundle(ctx, entry)
		if err != nil {
			return err
		}
		if _, err := fs.ReadFile(files, entry.Compose); err != nil {
			return err
		}
	}
	return nil
}

// headIn reads a recipe of a tree, and entryIn one of its entries.
func headIn(t testing.TB, dir, name string) *Recipe {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, recipePath(name)))
	must(t, err)
	r, err := decodeRecipe(name, data)
	must(t, err)
	return r
}

func entryIn(t testing.TB, dir, name, version string) *Entry {
	t.Helper()
	release := headIn(t, dir, name).Release(version)
	if release == nil {
		t.Fatalf("%s has no version %s", name, version)
	}
	data, err := os.ReadFile(filepath.Join(dir, entryPath(release.Entry)))
	must(t, err)
	e, err := decodeEntry(name, version, data)
	must(t, err)
	return e
}

// lacks skips a test for what this machine has not. CI has everything.
func lacks(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

func serve(t testing.TB, dir string) string {
	t.Helper()
	return serveHandler(t, http.FileServer(http.Dir(dir)))
}

func serveHandler(t testing.TB, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// snapshotOf is all files of a folder with their contents.
func snapshotOf(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		files[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func names(files map[string]string) []string { return slices.Sorted(maps.Keys(files)) }

func sameTree(t testing.TB, a, b string) {
	t.Helper()
	x, y := snapshotOf(t, a), snapshotOf(t, b)
	if !slices.Equal(names(x), names(y)) {
		t.Fatalf("files differ:\n%q\n%q", names(x), names(y))
	}
	for name := range x {
		if x[name] != y[name] {
			t.Errorf("%s differs:\n%s\n%s", name, x[name], y[name])
		}
	}
}

func copyTree(t testing.TB, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// wants checks an error's kind and a part of its text.
func wants(t testing.TB, err error, kind fault.Kind, text string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, expected one with %q", text)
	}
	if fault.KindOf(err) != kind || !strings.Contains(err.Error(), text) {
		t.Errorf("error of kind %d: %v\nhint: %s\nexpected kind %d and %q", fault.KindOf(err), err, fault.HintOf(err), kind, text)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error has several lines: %q", err)
	}
}

func flip(t testing.TB, name string, at int) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data[at] ^= 0x20
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func problems(v *Verification) string {
	var lines []string
	for _, p := range v.Problems {
		lines = append(lines, fmt.Sprintf("%s %s", p.File, p.Reason))
	}
	return strings.Join(lines, "\n")
}

// tally counts what a registry answered, and has something else done from a
// request on.
type tally struct {
	mu       sync.Mutex
	served   int
	from     int
	then     http.HandlerFunc
	answered map[string]int
}

func (c *tally) option() localregistry.Option {
	c.answered = map[string]int{}
	return localregistry.WithHandler(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.served++; c.from > 0 && c.served >= c.from {
				c.then(w, req)
				return
			}
			c.answered[req.Method+" "+req.URL.Path]++
			next.ServeHTTP(w, req)
		})
	})
}

// spare has everything answered from now on.
func (c *tally) spare() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.from = 0
}

// tags are how often each tag was answered.
func (c *tally) tags() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	tags := map[string]int{}
	for request, n := range c.answered {
		if _, tag, ok := strings.Cut(request, "/manifests/"); ok && !strings.HasPrefix(tag, "sha256:") {
			tags[request] = n
		}
	}
	return tags
}
