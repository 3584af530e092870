package catalogue

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/sync/errgroup"

	tufconfig "github.com/theupdateframework/go-tuf/v2/metadata/config"
	"github.com/theupdateframework/go-tuf/v2/metadata/updater"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/catbench"
	"github.com/galley-coop/galley/recipe"
)

// The catalogue whose size is measured.
const (
	sizeVersions = 50
	sizeMine     = 20 // recipes that the operator has
)

// wholeEnv makes BenchmarkSize write all entries of so many recipes, 10000 or less,
// and sign them with Sign: all of them take 5 GB and half an hour. Without it, what
// no reader asks for is only hashed.
const wholeEnv = "GALLEY_BENCH_WHOLE"

// sizeRecipes is how many recipes there are.
func sizeRecipes() int {
	if n, err := strconv.Atoi(os.Getenv(wholeEnv)); err == nil {
		return n
	}
	return 10_000
}

// sizeWorld is a generated catalogue: heads, entries as a build writes them, and
// one bundle that all of them share.
type sizeWorld struct {
	whole   bool
	dir     string
	bundle  []byte
	entry   Bundle
	mu      sync.Mutex // guards what follows
	targets map[string]trust.File
	items   map[string]IndexItem
	parts   map[string]json.RawMessage
	bytes   struct{ heads, heads0, entries, count int64 } // heads0: compressed
}

func newSizeWorld(b *testing.B) *sizeWorld {
	b.Helper()
	w := &sizeWorld{whole: os.Getenv(wholeEnv) != "", dir: b.TempDir(), targets: map[string]trust.File{}, items: map[string]IndexItem{}, parts: map[string]json.RawMessage{}}
	var tar bytes.Buffer
	must(b, recipe.WriteBundle(&tar, fstest.MapFS{
		"compose.yml": {Data: []byte(compose("1.0"))}, "compose.smtp.yml": {Data: []byte(overlay)}, ".env.sample": {Data: []byte("TYPE=x\n")},
	}))
	w.bundle = tar.Bytes()
	w.entry = Bundle{SHA256: hashOf(w.bundle), Size: int64(len(w.bundle))}
	for _, folder := range []string{recipesDir, entriesDir, bundlesDir} {
		must(b, os.MkdirAll(w.path("build", folder), 0o755))
	}
	must(b, os.WriteFile(w.path("build", w.entry.Path()), w.bundle, 0o644))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range sizeRecipes() {
		group.Go(func() error { return w.add(i, sizeVersions) })
	}
	must(b, group.Wait())
	must(b, w.summaries())
	_, err := Init(w.path("publisher"), InitOptions{Name: "Size", Now: start})
	must(b, err)
	return w
}

func (w *sizeWorld) path(parts ...string) string {
	return filepath.Join(w.dir, filepath.FromSlash(strings.Join(parts, "/")))
}

// isMine are the operator's recipes, spread over all.
func isMine(i int) bool { return i%(sizeRecipes()/sizeMine) == 0 }

// add makes a recipe with so many versions.
func (w *sizeWorld) add(i, versions int) error {
	r := &Recipe{
		Schema: SchemaVersion, Name: fmt.Sprintf("recipe-%05d", i), Description: "A page for everyone, with a database beside it.", Category: "Apps",
		Repository: fmt.Sprintf("https://git.example.org/recipes/recipe-%05d.git", i), DefaultBranch: "main",
		Features: Features{Status: 3, Image: "web", ImageURL: "https://hub.docker.com/r/acme/web", Rating: "4", Source: "upstream", Healthcheck: "Yes", Backups: "Yes", Email: "1", Tests: "2", SSO: "No"},
	}
	var entries []*Entry
	var bytes int64
	for v := range versions {
		e := w.entryOf(r.Name, v)
		data, err := encode(e, "")
		if err != nil {
			return err
		}
		bytes += int64(len(data))
		hash := hashOf(data)
		if w.whole || isMine(i) {
			if err := os.WriteFile(w.path("build", entryPath(hash)), data, 0o644); err != nil {
				return err
			}
		}
		entries = append(entries, e)
		r.Versions = append(r.Versions, Release{Version: e.Version, Entry: hash})
	}
	head, err := encode(r, "")
	if err != nil {
		return err
	}
	if err := os.WriteFile(w.path("build", recipePath(r.Name)), head, 0o644); err != nil {
		return err
	}
	part := json.RawMessage("{}")
	if w.whole {
		if part, err = legacyPart(r, entries); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.targets[recipePath(r.Name)] = trust.File{Length: int64(len(head)), SHA256: hashOf(head)}
	w.items[r.Name], w.parts[r.Name] = r.item(), part
	w.bytes.heads += int64(len(head))
	w.bytes.heads0 += int64(len(compressed(head)))
	w.bytes.entries += bytes
	w.bytes.count += int64(versions)
	return nil
}

func compressed(data []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(data) // into memory
	_ = w.Close()
	return out.Bytes()
}

// entryOf has two images of two platforms, ten findings and notes.
func (w *sizeWorld) entryOf(name string, v int) *Entry {
	seed := func(what string) string { return hashOf([]byte(name + what)) }
	version := catbench.Version(v)
	e := &Entry{
		Schema: SchemaVersion, Recipe: name, Version: version, Tag: seed("tag" + version)[:40], Commit: seed("commit" + version)[:40],
		Date: start.Add(time.Duration(v) * 24 * time.Hour), Tagger: "Ada Example", Message: "chore: publish " + version + " release",
		Bundle: w.entry, Compose: "compose.yml", Overlays: []string{"compose.smtp.yml"},
		Lint:  Verdict{RuleSet: seed("rules")[:16], Gate: "error", Vetted: true, Warnings: 6, Infos: 4, Fingerprints: []string{}},
		Notes: strings.Repeat("The database is upgraded at the first start; take a backup before.\n", 4),
	}
	for n := range 10 {
		e.Lint.Fingerprints = append(e.Lint.Fingerprints, seed(fmt.Sprint("finding", n))[:32])
	}
	slices.Sort(e.Lint.Fingerprints)
	for _, image := range []string{"docker.io/acme/app:2." + fmt.Sprint(v), "docker.io/acme/db:11.4"} {
		made := Image{Reference: image, Digest: "sha256:" + seed(image), MediaType: "application/vnd.oci.image.index.v1+json", Size: 1609, Services: []string{"app"}}
		for _, platform := range []string{"linux/amd64", "linux/arm64"} {
			made.Platforms = append(made.Platforms, Platform{platform, "sha256:" + seed(image+platform), "sha256:" + seed(image+platform+"c")})
		}
		e.Images = append(e.Images, made)
	}
	e.Images[1].Services = []string{"db"}
	return e
}

// summaries writes the index and recipes.json.
func (w *sizeWorld) summaries() error {
	index := Index{Schema: SchemaVersion, Name: "Size", Recipes: []IndexItem{}}
	for i := range sizeRecipes() {
		index.Recipes = append(index.Recipes, w.items[fmt.Sprintf("recipe-%05d", i)])
	}
	data, err := encodeIndex(index)
	if err != nil {
		return err
	}
	legacy, err := encodeLegacy(w.parts)
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{indexName: data, recipesName: legacy} {
		w.targets[name] = trust.File{Length: int64(len(data)), SHA256: hashOf(data)}
		if err := os.WriteFile(w.path("build", name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// sign publishes: with Sign, or the metadata of all and the files of some.
func (w *sizeWorld) sign(b *testing.B, now time.Time) (bins, signed int) {
	b.Helper()
	keys, root := w.path("publisher", KeysName), w.path("publisher", RootName)
	if w.whole {
		done, err := Sign(b.Context(), SignOptions{Build: w.path("build"), Public: w.path("public"), Keys: keys, Root: root, Now: now})
		must(b, err)
		return done.Bins, done.SignedBins
	}
	public, err := disk.Create(w.path("public"))
	must(b, err)
	defer public.Close()
	for name, f := range w.targets {
		var i int
		if n, _ := fmt.Sscanf(name, recipesDir+"/recipe-%d.json", &i); n == 1 && !isMine(i) {
			continue
		}
		data, err := os.ReadFile(w.path("build", name))
		must(b, err)
		must(b, public.Put(trust.HashedName(name, f.SHA256), data))
	}
	entries, err := os.ReadDir(w.path("build", entriesDir))
	must(b, err)
	for _, e := range entries {
		data, err := os.ReadFile(w.path("build", entriesDir, e.Name()))
		must(b, err)
		must(b, public.Put(entriesDir+"/"+e.Name(), data))
	}
	given, err := os.ReadFile(root)
	must(b, err)
	publication, err := trust.Prepare(trust.PublishOptions{
		Public: public, KeysDir: keys, Root: given, RootName: root, Expiry: trust.DefaultExpiry, Now: now,
	}, w.targets)
	must(b, err)
	must(b, publication.Write(public))
	return publication.Bins, publication.SignedBins
}

// meter counts what a server sends: answers, and the bytes of their bodies.
type meter struct {
	next            http.Handler
	mu              sync.Mutex
	requests, bytes int
}

func (m *meter) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	m.mu.Lock()
	m.requests++
	m.mu.Unlock()
	m.next.ServeHTTP(metered{w, m}, req)
}

type metered struct {
	http.ResponseWriter
	meter *meter
}

func (w metered) Write(data []byte) (int, error) {
	w.meter.mu.Lock()
	w.meter.bytes += len(data)
	w.meter.mu.Unlock()
	return w.ResponseWriter.Write(data)
}

// told is a step's metrics: what it took since the last one.
func (m *meter) told(b *testing.B, step string, began time.Time) {
	b.Helper()
	took := time.Since(began)
	m.mu.Lock()
	defer m.mu.Unlock()
	b.ReportMetric(float64(m.bytes), step+"-B")
	b.ReportMetric(float64(m.requests), step+"-requests")
	b.ReportMetric(float64(took.Milliseconds()), step+"-ms")
	m.requests, m.bytes = 0, 0
}

// reader is a client that can begin, look again, and read a recipe's newest entry.
type reader struct {
	refresh func()
	newest  func(recipe string)
}

// BenchmarkSize is what an operator of 20 recipes downloads of a catalogue of
// 10,000 recipes with 50 versions, with galley's client and with go-tuf's own, and
// what one changed recipe costs the publisher.
func BenchmarkSize(b *testing.B) {
	w := newSizeWorld(b)
	began := time.Now()
	bins, _ := w.sign(b, start)
	first := time.Since(began)
	server := &meter{next: http.FileServer(http.Dir(w.path("public")))}
	address := serveHandler(b, server)
	now := start
	readers := map[string]reader{"galley": w.galley(b, address, &now), "go-tuf": w.plain(b, address, &now)}
	steps := map[string]func(reader){
		"refresh":   func(r reader) { r.refresh() },
		"unchanged": func(r reader) { r.refresh() },
		"twenty": func(r reader) {
			for i := range sizeRecipes() {
				if isMine(i) {
					r.newest(fmt.Sprintf("recipe-%05d", i))
				}
			}
		},
		"changed": func(r reader) { r.refresh(); r.newest("recipe-00000") },
	}
	run := func(names ...string) {
		for _, of := range []string{"galley", "go-tuf"} {
			b.Run(of+"/"+strings.Join(names, "+"), func(b *testing.B) {
				for _, step := range names {
					began := time.Now()
					steps[step](readers[of])
					server.told(b, step, began)
				}
			})
		}
	}
	run("refresh", "unchanged", "twenty")
	must(b, w.add(0, sizeVersions+1))
	must(b, w.summaries())
	now = start.Add(time.Hour)
	b.Run("publisher", func(b *testing.B) {
		began := time.Now()
		_, signed := w.sign(b, now)
		b.ReportMetric(time.Since(began).Seconds(), "sign-s")
		b.ReportMetric(first.Seconds(), "first-sign-s")
		b.ReportMetric(float64(bins), "bins")
		b.ReportMetric(float64(signed), "signed-bins")
		b.ReportMetric(float64(w.bytes.heads)/float64(len(w.items)+1), "head-B")
		b.ReportMetric(float64(w.bytes.heads0)/float64(len(w.items)+1), "head-gzip-B")
		b.ReportMetric(float64(w.bytes.entries)/float64(w.bytes.count), "entry-B")
	})
	run("changed")
}

func (w *sizeWorld) galley(b *testing.B, address string, now *time.Time) reader {
	state := b.TempDir()
	var client *Client
	return reader{
		refresh: func() {
			var err error
			client, err = Open(b.Context(), address, ClientOptions{StateDir: state, Now: *now})
			must(b, err)
		},
		newest: func(name string) {
			_, _, err := client.Entry(b.Context(), name, "")
			must(b, err)
		},
	}
}

// plain is go-tuf's client as it comes; entries are named by the heads, and
// fetched by a GET.
func (w *sizeWorld) plain(b *testing.B, address string, now *time.Time) reader {
	dir := b.TempDir()
	root, err := os.ReadFile(w.path("publisher", RootName))
	must(b, err)
	var client *updater.Updater
	return reader{
		refresh: func() {
			cfg, err := tufconfig.New(address+"/"+trust.Folder, root)
			must(b, err)
			cfg.RemoteTargetsURL, cfg.LocalMetadataDir, cfg.LocalTargetsDir = address, dir, dir
			client, err = updater.New(cfg)
			must(b, err)
			client.UnsafeSetRefTime(*now)
			must(b, client.Refresh())
		},
		newest: func(name string) {
			info, err := client.GetTargetInfo(recipePath(name))
			must(b, err)
			_, data, err := client.DownloadTarget(info, "", "")
			must(b, err)
			r, err := decodeRecipe(name, data)
			must(b, err)
			must(b, get(address+"/"+entryPath(r.Newest().Entry)))
		},
	}
}

func get(url string) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	_, err = new(bytes.Buffer).ReadFrom(resp.Body)
	return err
}
