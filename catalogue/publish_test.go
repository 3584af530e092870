package catalogue

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/internal/localregistry"
	"github.com/galley-coop/galley/lint"
)

// changing is a world whose catalogue has another recipe with each version: the
// even ones have the proxy withdrawn.
type changing struct {
	*world
	now time.Time
}

func newChanging(t testing.TB) *changing {
	t.Helper()
	w := newWorld(t)
	w.begin()
	web := webRepo(t)
	cfg := config(web, proxyRepo(t))
	w.build(cfg, w.path("odd"))
	_, err := Build(t.Context(), cfg, BuildOptions{
		Output: w.path("even"), Resolver: w.resolver(""), Rules: []lint.Rule{refuseRule, warnRule},
		Yanked: Yanks{"proxy": {"0.1.0+v3": "for a change"}},
	})
	must(t, err)
	return &changing{w, start}
}

// next signs the next version and returns its number.
func (c *changing) next() int64 {
	c.t.Helper()
	c.now = c.now.Add(time.Minute)
	options := c.signOptions(c.now)
	options.Build = c.path("odd")
	if c.version()%2 == 1 {
		options.Build = c.path("even")
	}
	if _, err := Sign(c.t.Context(), options); err != nil {
		c.t.Fatal(err)
	}
	return c.version()
}

func (c *changing) version() int64 {
	data, err := os.ReadFile(filepath.Join(c.path("public"), trust.TimestampName))
	if err != nil {
		return 0
	}
	doc, err := trust.Parse(trust.Timestamp, data)
	if err != nil {
		c.t.Fatal(err)
	}
	return doc.Version
}

func (c *changing) publishOptions(target string) PublishOptions {
	return PublishOptions{Public: c.path("public"), Target: target, Now: c.now, Timeout: 10 * time.Second}
}

func (c *changing) publish(target string) *Published {
	c.t.Helper()
	p, err := Publish(c.t.Context(), c.publishOptions(target))
	if err != nil {
		c.t.Fatalf("%v (hint: %s)", err, fault.HintOf(err))
	}
	return p
}

// clean fails when the target does not verify.
func (c *changing) clean(target string) {
	c.t.Helper()
	if v := c.verify(target, c.now); len(v.Problems) > 0 {
		c.t.Fatalf("%s:\n%s", target, problems(v))
	}
}

// targets are a folder and a registry that asks for a login.
func (c *changing) targets(t *testing.T, options ...localregistry.Option) map[string]string {
	t.Helper()
	return map[string]string{"folder": filepath.Join(t.TempDir(), "www"), "registry": registryTarget(t, options...)}
}

func registryTarget(t testing.TB, options ...localregistry.Option) string {
	t.Helper()
	reg := localregistry.StartT(t, append([]localregistry.Option{localregistry.WithBearer("ada", "pass")}, options...)...)
	logIn(t, reg.Addr)
	return "oci://" + reg.Addr + "/coop/catalogue"
}

// logIn makes the docker config know the registry, and nothing else.
func logIn(t testing.TB, host string) {
	t.Helper()
	dir := t.TempDir()
	auth := base64.StdEncoding.EncodeToString([]byte("ada:pass"))
	config := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, auth)
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.(interface{ Setenv(key, value string) }).Setenv("DOCKER_CONFIG", dir)
}

func TestPublishAndRead(t *testing.T) {
	c := newChanging(t)
	for name, target := range c.targets(t) {
		t.Run(name, func(t *testing.T) {
			c.next()
			first := c.publish(target)
			if first.Previous != 0 || first.Written == 0 || first.Version != c.version() {
				t.Errorf("first: %+v", first)
			}
			c.clean(target)
			again := c.publish(target)
			if again.Written != 0 || again.WrittenBytes != 0 || again.Previous != again.Version {
				t.Errorf("nothing changed: %+v", again)
			}
			c.next()
			second := c.publish(target)
			if second.Previous != first.Version || second.Version != first.Version+1 || second.Written >= first.Written {
				t.Errorf("second: %+v", second)
			}
			c.clean(target)
			client, err := c.open(target, ClientOptions{Now: c.now})
			if err != nil {
				t.Fatal(err)
			}
			if err := readAll(t.Context(), client); err != nil {
				t.Error(err)
			}
			if got := client.Info().Timestamp.Version; got != second.Version {
				t.Errorf("client sees version %d, want %d", got, second.Version)
			}
			// The timestamp alone, signed anew.
			c.now = c.now.Add(time.Hour)
			options := c.signOptions(c.now)
			options.Build = c.path("even")
			if second.Version%2 == 1 {
				options.Build = c.path("odd")
			}
			if _, err := Sign(t.Context(), options); err != nil {
				t.Fatal(err)
			}
			third := c.publish(target)
			t.Logf("first %+v\nsecond %+v\ntimestamp %+v\nagain %+v", first, second, third, again)
			c.clean(target)
		})
	}
}

func TestPublishRefuses(t *testing.T) {
	c := newChanging(t)
	c.next()
	copyTree(t, c.path("public"), c.path("older"))
	c.next()
	copyTree(t, c.path("public"), c.path("newer"))
	other := newChanging(t)
	other.next()
	fork := c.path("fork")
	copyTree(t, c.path("older"), fork)
	options := c.signOptions(c.now.Add(time.Second))
	options.Build, options.Public = c.path("odd"), fork
	if _, err := Sign(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	flipped := c.path("flipped")
	copyTree(t, c.path("newer"), flipped)
	bundle, err := filepath.Glob(filepath.Join(flipped, "v1/bundles/*.tar"))
	must(t, err)
	flip(t, bundle[0], 600)
	pinned, err := os.ReadFile(other.signOptions(start).Root)
	must(t, err)
	for name, target := range c.targets(t) {
		t.Run(name, func(t *testing.T) {
			c.publish(target)
			tests := map[string]struct {
				change func(*PublishOptions)
				kind   fault.Kind
				want   string
			}{
				"older":      {func(o *PublishOptions) { o.Public = c.path("older") }, fault.Refused, "the target has timestamp version 2, this catalogue only 1"},
				"other root": {func(o *PublishOptions) { o.Public = other.path("public") }, fault.Refused, "the target has another metadata/1.root.json"},
				"a fork":     {func(o *PublishOptions) { o.Public = fork }, fault.Refused, "the target has another timestamp of version 2"},
				"flipped":    {func(o *PublishOptions) { o.Public = flipped }, fault.Refused, filepath.Base(bundle[0])},
				"expired":    {func(o *PublishOptions) { o.Now = c.now.AddDate(0, 0, 15) }, fault.Refused, "metadata/timestamp.json expired"},
				"not pinned": {func(o *PublishOptions) { o.Root = pinned }, fault.Refused, "pinned root"},
				"nothing":    {func(o *PublishOptions) { o.Public = c.path("nowhere") }, fault.Unavailable, "nowhere"},
			}
			for name, tt := range tests {
				t.Run(name, func(t *testing.T) {
					options := c.publishOptions(target)
					tt.change(&options)
					_, err := Publish(t.Context(), options)
					wants(t, err, tt.kind, tt.want)
					c.clean(target)
					if again := c.publish(target); again.Written != 0 {
						t.Errorf("something was changed: %+v", again)
					}
				})
			}
		})
	}
}

func TestPublishFolderRefuses(t *testing.T) {
	c := newChanging(t)
	c.next()
	inside := filepath.Join(c.path("public"), "www")
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(c.path("public"), link))
	for _, target := range []string{c.path("public"), inside, c.dir, filepath.Join(link, "new", "www")} {
		_, err := Publish(t.Context(), c.publishOptions(target))
		wants(t, err, fault.Usage, "are not apart")
	}
	target := c.path("www")
	must(t, os.Mkdir(target, 0o755))
	unlock, err := lockFolder(t.Context(), target)
	must(t, err)
	limited, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err = Publish(limited, c.publishOptions(target)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it did not wait: %v", err)
	}
	must(t, unlock())
	c.publish(target)
	must(t, os.WriteFile(filepath.Join(target, trust.TimestampName), []byte("{}"), 0o644))
	_, err = Publish(t.Context(), c.publishOptions(target))
	wants(t, err, fault.Refused, "the target's metadata/timestamp.json")
}

func TestPublishLockIsHeldByOne(t *testing.T) {
	folder := t.TempDir()
	var inside, entered atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for entered.Load() < 40 {
				unlock, err := lockFolder(t.Context(), folder)
				if err != nil {
					continue
				}
				if inside.Add(1) != 1 {
					t.Error("two hold the lock")
				}
				entered.Add(1)
				inside.Add(-1)
				if err := unlock(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func TestPublishFolderRepairs(t *testing.T) {
	c := newChanging(t)
	c.next()
	target := c.path("www")
	c.publish(target)
	want := snapshotOf(t, target)
	sameTree(t, target, c.path("public"))
	for name := range want {
		if name != trust.TimestampName && !rootName.MatchString(name) {
			flip(t, filepath.Join(target, name), len(want[name])/2)
		}
	}
	options := c.publishOptions(target)
	options.Recheck = true
	if _, err := Publish(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	sameTree(t, target, c.path("public"))
}

func TestPublishRegistryRepairs(t *testing.T) {
	c := newChanging(t)
	reg := localregistry.StartT(t)
	target := "oci://" + reg.Addr + "/coop/catalogue"
	c.next()
	c.publish(target)
	bundles, err := filepath.Glob(filepath.Join(c.path("public"), "v1/bundles/*.tar"))
	must(t, err)
	for _, name := range append(bundles, filepath.Join(c.path("public"), "v1/index.json")) {
		data, err := os.ReadFile(name)
		must(t, err)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, "http://"+reg.Addr+"/v2/coop/catalogue/blobs/sha256:"+hashOf(data), nil)
		must(t, err)
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		resp.Body.Close()
		if resp.StatusCode != http.StatusAccepted {
			t.Fatalf("deleting a blob: %s", resp.Status)
		}
	}
	if v := c.verify(target, c.now); len(v.Problems) < len(bundles) {
		t.Errorf("what is gone is not missed:\n%s", problems(v))
	}
	options := c.publishOptions(target)
	options.Recheck = true
	if _, err := Publish(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	c.clean(target)
}

// TestPublishFolderRemovesWhatIsSuperseded sees that readers have their time, that
// what they need then stays, and that other files are nobody's business.
func TestPublishFolderRemovesWhatIsSuperseded(t *testing.T) {
	c := newChanging(t)
	target := c.path("www")
	for range 3 {
		c.next()
		c.publish(target)
	}
	must(t, os.WriteFile(filepath.Join(target, "robots.txt"), nil, 0o644))
	options := c.publishOptions(target)
	p, err := Publish(t.Context(), options)
	if err != nil || len(p.Removed) != 0 {
		t.Fatalf("within the grace: %+v, %v", p, err)
	}
	for _, dir := range []string{target, c.path("public")} {
		for name := range snapshotOf(t, dir) {
			old := c.now.Add(-2 * DefaultKeep)
			must(t, os.Chtimes(filepath.Join(dir, name), old, old))
		}
	}
	c.next()
	p, err = Publish(t.Context(), c.publishOptions(target))
	if err != nil || !slices.Contains(p.Removed, "metadata/1.snapshot.json") || slices.Contains(p.Removed, "metadata/1.root.json") {
		t.Fatalf("after the grace: %+v, %v", p, err)
	}
	must(t, os.Remove(filepath.Join(target, "robots.txt")))
	c.clean(target)
}

// TestPublishBesideAnother publishes something else while the registry is pushed
// to: the tag is not taken from the other one.
func TestPublishBesideAnother(t *testing.T) {
	c := newChanging(t)
	c.next()
	copyTree(t, c.path("public"), c.path("first"))
	c.next()
	var once atomic.Bool
	var target string
	race := localregistry.WithHandler(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.Method == http.MethodPut && strings.Contains(req.URL.Path, "/manifests/sha256:") {
				if once.CompareAndSwap(false, true) {
					c.publish(target)
				}
			}
			next.ServeHTTP(w, req)
		})
	})
	target = registryTarget(t, race)
	options := c.publishOptions(target)
	options.Public = c.path("first")
	_, err := Publish(t.Context(), options)
	wants(t, err, fault.Unavailable, "another galley published to")
	c.clean(target)
	client, err := c.open(target, ClientOptions{Now: c.now})
	if err != nil || client.Info().Timestamp.Version != 2 {
		t.Errorf("%v, %v", client, err)
	}
}

func TestPublishToWhatIsNoCatalogue(t *testing.T) {
	c := newChanging(t)
	c.next()
	target := "oci://" + c.registry.Addr + "/acme/web:1.0"
	_, err := Publish(t.Context(), c.publishOptions(target))
	wants(t, err, fault.Refused, "holds something that is no catalogue")
	_, err = c.open(target, ClientOptions{})
	wants(t, err, fault.Refused, "holds something that is no catalogue")
	_, err = c.open("oci://"+c.registry.Addr+"/nothing", ClientOptions{})
	wants(t, err, fault.Unavailable, "there is no metadata/1.root.json")
	for _, bad := range []string{"oci://catalogue", "oci://coop/catalogue", "oci://a.org/x@sha256:00", "oci://me:pw@a.org/x", "oci://a.org/X"} {
		_, err := c.open(bad, ClientOptions{})
		wants(t, err, fault.Usage, "")
		if strings.Contains(err.Error(), "pw") {
			t.Errorf("shows a password: %v", err)
		}
	}
}

// readersSee runs a reader until stop is closed: what it sees is whole and never
// goes back.
func readersSee(c *changing, t *testing.T, target string, stop chan struct{}) (reads int) {
	state, last := t.TempDir(), int64(0)
	for {
		client, err := Open(t.Context(), target, ClientOptions{StateDir: state, Now: c.now, Timeout: 10 * time.Second})
		if err != nil {
			t.Error(err)
			return reads
		}
		version := client.Info().Timestamp.Version
		index, err := client.Index(t.Context())
		if err == nil {
			err = readAll(t.Context(), client)
		}
		_ = client.Close()
		switch {
		case err != nil:
			t.Errorf("version %d: %v", version, err)
			return reads
		case version < last:
			t.Errorf("went back from version %d to %d", last, version)
		case len(index.Recipes) != 2 || (index.Recipes[0].Newest == "") != (version%2 == 0):
			t.Errorf("version %d has %+v: a mixture", version, index.Recipes)
		}
		reads, last = reads+1, version
		select {
		case <-stop:
			return reads
		default:
		}
	}
}

func TestReadersDuringPublishes(t *testing.T) {
	for _, name := range []string{"folder", "registry"} {
		t.Run(name, func(t *testing.T) {
			c := newChanging(t)
			target := c.targets(t)[name]
			c.next()
			c.publish(target)
			c.now = c.now.Add(time.Hour) // the readers' clock, which stands
			stop, done := make(chan struct{}), make(chan int)
			go func() { done <- readersSee(c, t, target, stop) }()
			signer := *c
			signer.now = start
			for range 12 {
				signer.next()
				signer.publish(target)
			}
			close(stop)
			if reads := <-done; reads < 5 {
				t.Errorf("only %d reads", reads)
			}
			c.clean(target)
		})
	}
}

// TestOneLookForARefresh counts what a reader asks a registry for.
func TestOneLookForARefresh(t *testing.T) {
	c := newChanging(t)
	reg := localregistry.StartT(t)
	target := "oci://" + reg.Addr + "/coop/catalogue"
	c.next()
	c.publish(target)
	from, err := openFetcher(target, nil, 5*time.Second)
	must(t, err)
	defer from.Close()
	refresh := func() (requests string) {
		t.Helper()
		reg.ResetCount()
		for _, name := range []string{trust.Name(trust.Root, 2), trust.TimestampName, trust.Name(trust.Snapshot, 1)} {
			_, _ = from.Fetch(t.Context(), name, 1<<20)
		}
		requests = strings.Join(reg.Requests(), "\n")
		return strings.ReplaceAll(requests, "/v2/coop/catalogue", "")
	}
	if first := refresh(); strings.Count(first, "GET /manifests/") != 2 || strings.Count(first, "HEAD") != 0 {
		t.Errorf("first refresh:\n%s", first)
	}
	if again := refresh(); strings.Count(again, "/manifests/") != 1 || !strings.HasPrefix(again, "HEAD /manifests/latest") {
		t.Errorf("refresh without change:\n%s", again)
	}
	c.next()
	c.publish(target)
	if changed := refresh(); strings.Count(changed, "GET /manifests/") != 2 || strings.Count(changed, "HEAD /manifests/latest") != 1 {
		t.Errorf("refresh after a change:\n%s", changed)
	}
}

// damagedBlobs changes what a registry sends of blobs.
func damagedBlobs(change func(body []byte) []byte) (localregistry.Option, *atomic.Bool) {
	on := &atomic.Bool{}
	return localregistry.WithHandler(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if !on.Load() || req.Method != http.MethodGet || !strings.Contains(req.URL.Path, "/blobs/") {
				next.ServeHTTP(w, req)
				return
			}
			answer := &keptAnswer{header: http.Header{}, status: http.StatusOK}
			next.ServeHTTP(answer, req)
			w.WriteHeader(answer.status)
			_, _ = w.Write(change(bytes.Clone(answer.body.Bytes())))
		})
	}), on
}

type keptAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (k *keptAnswer) Header() http.Header         { return k.header }
func (k *keptAnswer) WriteHeader(status int)      { k.status = status }
func (k *keptAnswer) Write(p []byte) (int, error) { return k.body.Write(p) }

func TestReadFromADamagedRegistry(t *testing.T) {
	c := newChanging(t)
	c.next()
	tests := map[string]struct {
		change func([]byte) []byte
		kind   fault.Kind
	}{
		"flipped": {func(b []byte) []byte { b[len(b)/2] ^= 1; return b }, fault.Refused},
		"short":   {func(b []byte) []byte { return b[:len(b)-1] }, fault.Refused},
		"long":    {func(b []byte) []byte { return append(b, ' ') }, fault.Refused},
		"a page":  {func([]byte) []byte { return []byte("<html></html>") }, fault.Refused},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			option, on := damagedBlobs(tt.change)
			target := registryTarget(t, option)
			c.publish(target)
			client, err := c.open(target, ClientOptions{Now: c.now})
			must(t, err)
			on.Store(true)
			_, err = c.open(target, ClientOptions{Now: c.now})
			wants(t, err, tt.kind, "1.root.json")
			_, _, err = client.Entry(t.Context(), "web", "")
			wants(t, err, tt.kind, "reading metadata/")
		})
	}
}

func TestReadFromARegistryThatFails(t *testing.T) {
	c := newChanging(t)
	c.next()
	for name, tt := range map[string]struct {
		code int
		part string
		kind fault.Kind
		want string
	}{
		"blobs are gone":  {404, "/blobs/", fault.Unavailable, "there is no metadata/1.root.json"},
		"down":            {503, "/manifests/", fault.Unavailable, "is not working (503)"},
		"limits":          {429, "/blobs/", fault.Unavailable, "limits the rate"},
		"not for us":      {403, "/manifests/", fault.Unavailable, "does not allow it"},
		"repository gone": {404, "/manifests/", fault.Unavailable, "there is no metadata/1.root.json"},
	} {
		t.Run(name, func(t *testing.T) {
			var on atomic.Bool
			target := registryTarget(t, localregistry.WithHandler(func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
					if on.Load() && strings.Contains(req.URL.Path, tt.part) {
						w.WriteHeader(tt.code)
						return
					}
					next.ServeHTTP(w, req)
				})
			}))
			c.publish(target)
			on.Store(true)
			_, err := c.open(target, ClientOptions{Now: c.now})
			wants(t, err, tt.kind, tt.want)
		})
	}
}

// TestPublishGoesOn fails the n-th PUT or PATCH for good, for growing n, until a
// publish gets through: what is there verifies each time.
func TestPublishGoesOn(t *testing.T) {
	c := newChanging(t)
	c.next()
	var count, limit atomic.Int64
	target := registryTarget(t, localregistry.WithHandler(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if l := limit.Load(); l > 0 && (req.Method == http.MethodPut || req.Method == http.MethodPatch) && count.Add(1) >= l {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			next.ServeHTTP(w, req)
		})
	}))
	c.publish(target)
	was := c.version()
	c.next()
	for n := int64(1); n < 100; n += 2 {
		limit.Store(n)
		count.Store(0)
		_, err := Publish(t.Context(), c.publishOptions(target))
		limit.Store(0)
		if err == nil {
			c.clean(target)
			if n < 9 {
				t.Errorf("done after %d writes already", n)
			}
			return
		}
		wants(t, err, fault.Unavailable, "does not allow it (403)")
		c.clean(target)
		client, err := c.open(target, ClientOptions{Now: c.now})
		if err != nil || client.Info().Timestamp.Version != was {
			t.Fatalf("a part of the new catalogue is seen: %v", err)
		}
	}
	t.Error("never done")
}

// TestPublishWhileItIsSigned signs the next version when the first file is copied.
func TestPublishWhileItIsSigned(t *testing.T) {
	c := newChanging(t)
	c.next()
	for name, target := range c.targets(t) {
		t.Run(name, func(t *testing.T) {
			was := c.publish(target).Version
			c.next()
			options := c.publishOptions(target)
			var once sync.Once
			options.Progress = func(e PublishEvent) {
				if e.Stage != "verifying" {
					once.Do(func() { c.next() })
				}
			}
			_, err := Publish(t.Context(), options)
			wants(t, err, fault.Unavailable, "changed while it was being published")
			client, err := c.open(target, ClientOptions{Now: c.now})
			must(t, err)
			must(t, readAll(t.Context(), client))
			if got := client.Info().Timestamp.Version; got != was {
				t.Errorf("version %d is seen, want %d", got, was)
			}
			c.publish(target)
			c.clean(target)
		})
	}
}

func TestPublishIsInterrupted(t *testing.T) {
	c := newChanging(t)
	c.next()
	for name, target := range c.targets(t) {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			options := c.publishOptions(target)
			options.Progress = func(e PublishEvent) {
				if e.Stage != "verifying" {
					cancel()
				}
			}
			_, err := Publish(ctx, options)
			wants(t, err, fault.Interrupted, "canceled")
			c.publish(target)
			c.clean(target)
		})
	}
}
