package catalogue

import (
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/internal/localregistry"
)

// webHost serves a folder, counts what is asked for, and may answer otherwise.
type webHost struct {
	url string

	mu      sync.Mutex
	dir     string
	asked   []string
	instead http.HandlerFunc // nil: the folder
}

func newWebHost(t testing.TB, dir string) *webHost {
	t.Helper()
	h := &webHost{dir: dir}
	h.url = serveHandler(t, http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		h.mu.Lock()
		h.asked = append(h.asked, req.URL.Path)
		dir, instead := h.dir, h.instead
		h.mu.Unlock()
		if instead != nil {
			instead(rw, req)
			return
		}
		http.FileServer(http.Dir(dir)).ServeHTTP(rw, req)
	}))
	return h
}

func (h *webHost) answer(with http.HandlerFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.instead = with
}

// requests are those since the last call.
func (h *webHost) requests() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	asked := h.asked
	h.asked = nil
	return asked
}

// down answers as a host does whose service is not there; dead does not answer.
func down(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusServiceUnavailable) }

func dead(rw http.ResponseWriter, _ *http.Request) {
	conn, _, err := rw.(http.Hijacker).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

func (w *world) kept() ClientOptions {
	return ClientOptions{StateDir: w.path("state"), CacheDir: w.path("cache")}
}

func TestClientOffline(t *testing.T) {
	w := published(t)
	host := newWebHost(t, w.path("public"))
	c, err := w.open(host.url, w.kept())
	must(t, err)
	_, entry, err := c.Entry(t.Context(), "web", "")
	must(t, err)
	_, err = c.Bundle(t.Context(), entry)
	must(t, err)

	host.requests()
	for name, how := range map[string]http.HandlerFunc{"503": down, "no answer": dead, "asked for": nil} {
		host.answer(how)
		opts := w.kept()
		opts.Now, opts.Offline = start.Add(26*time.Hour), how == nil
		c, err := w.open(host.url, opts)
		must(t, err)
		info := c.Info()
		if !info.Offline || !info.Read.Equal(start) || !info.ValidUntil().Equal(start.Add(14*24*time.Hour)) || (info.Reason == "") != (how == nil) {
			t.Errorf("%s: info %+v", name, info)
		}
		if how == nil && len(host.requests()) > 0 {
			t.Error("the network was asked, although --offline")
		}
		host.requests()
		_, again, err := c.Entry(t.Context(), "web", "")
		must(t, err)
		files, err := c.Bundle(t.Context(), again)
		must(t, err)
		if data, err := fs.ReadFile(files, "compose.yml"); err != nil || string(data) != compose("1.1") {
			t.Errorf("%s: compose.yml is %q, %v", name, data, err)
		}
		_, _, err = c.Entry(t.Context(), "web", "1.0.0+1.0")
		wants(t, err, fault.Unavailable, `recipe "web" 1.0.0+1.0: no copy is kept on this machine`)
		_, err = c.Index(t.Context())
		wants(t, err, fault.Unavailable, "the list of recipes: no copy is kept on this machine")
		if asked := host.requests(); len(asked) > 0 {
			t.Errorf("%s: an offline client asked for %q", name, asked)
		}
	}
}

// TestClientIsNotOffline has the cases in which nothing may stand in.
func TestClientIsNotOffline(t *testing.T) {
	status := func(code int) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(code) }
	}
	write := func(text string) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte(text)) }
	}
	tests := []struct {
		name    string
		instead http.HandlerFunc
		after   time.Duration
		kind    fault.Kind
		want    string
	}{
		{"a page", write("<html>sign in</html>"), 0, fault.Refused, "is an HTML page"},
		{"nothing in it", write(""), 0, fault.Refused, "metadata/2.root.json is empty"},
		{"other metadata", write("{}"), 0, fault.Refused, "2.root.json is"},
		{"gone", status(404), 0, fault.Refused, "timestamp.json is missing"},
		{"login wanted", status(401), 0, fault.Unavailable, "answered 401"},
		{"forbidden", func(rw http.ResponseWriter, req *http.Request) {
			if strings.HasSuffix(req.URL.Path, "root.json") {
				rw.WriteHeader(404)
				return
			}
			rw.WriteHeader(403)
		}, 0, fault.Unavailable, "answered 403"},
		{"redirected for ever", func(rw http.ResponseWriter, req *http.Request) {
			http.Redirect(rw, req, req.URL.Path, http.StatusFound)
		}, 0, fault.Unavailable, "is redirected more than 10 times"},
		{"down for too long", down, 15 * 24 * time.Hour, fault.Unavailable, "503 Service Unavailable; nothing can stand in: what was read 15 days ago: timestamp.json expired 24 hours ago"},
	}
	w := published(t)
	host := newWebHost(t, w.path("public"))
	_, err := w.open(host.url, w.kept())
	must(t, err)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			host.answer(tt.instead)
			opts := w.kept()
			opts.Now = start.Add(tt.after)
			_, err := w.open(host.url, opts)
			wants(t, err, tt.kind, tt.want)
		})
	}
	host.answer(down)
	opts := w.kept()
	opts.Offline, opts.Now = true, start.Add(15*24*time.Hour)
	_, err = w.open(host.url, opts)
	wants(t, err, fault.Refused, "timestamp.json expired 24 hours ago")
	_, err = w.open(host.url, ClientOptions{StateDir: w.path("other")})
	wants(t, err, fault.Unavailable, "answered 503")
	_, err = w.open(host.url, ClientOptions{StateDir: w.path("other"), Offline: true})
	wants(t, err, fault.Unavailable, "it was never read on this machine")
}

// TestClientOfflineExpiredTLS: a certificate that is not right is an answer.
func TestClientOfflineExpiredTLS(t *testing.T) {
	w := published(t)
	server := httptest.NewTLSServer(http.FileServer(http.Dir(w.path("public"))))
	t.Cleanup(server.Close)
	opts := w.kept()
	opts.HTTP = server.Client()
	_, err := w.open(server.URL, opts)
	must(t, err)
	late := server.Client().Transport.(*http.Transport).Clone()
	late.TLSClientConfig.Time = func() time.Time { return server.Certificate().NotAfter.Add(time.Hour) }
	opts.HTTP = &http.Client{Transport: late}
	_, err = w.open(server.URL, opts)
	wants(t, err, fault.Unavailable, "certificate has expired")
	if !strings.Contains(fault.HintOf(err), "this machine's clock") {
		t.Errorf("hint %q", fault.HintOf(err))
	}
}

// TestClientOfflineAfterHalfARefresh has the host break off behind the new
// timestamp: the old whole stands in, and the catalogue still may not go back.
func TestClientOfflineAfterHalfARefresh(t *testing.T) {
	w := published(t)
	old := w.path("old")
	copyTree(t, w.path("public"), old)
	host := newWebHost(t, w.path("public"))
	_, err := w.open(host.url, w.kept())
	must(t, err)
	w.release()
	w.sign(start.Add(time.Hour))
	host.answer(func(rw http.ResponseWriter, req *http.Request) {
		if strings.HasSuffix(req.URL.Path, "2.snapshot.json") {
			down(rw, req)
			return
		}
		http.FileServer(http.Dir(w.path("public"))).ServeHTTP(rw, req)
	})
	for range 2 {
		c, err := w.open(host.url, w.kept())
		must(t, err)
		if info := c.Info(); !info.Offline || info.Timestamp.Version != 1 || info.Snapshot.Version != 1 {
			t.Errorf("info %+v, expected version 1 offline", info)
		}
	}
	host.answer(nil)
	host.dir = old
	_, err = w.open(host.url, w.kept())
	wants(t, err, fault.Refused, "timestamp.json is older than seen: version 1 < 2")
	host.dir = w.path("public")
	c, err := w.open(host.url, w.kept())
	must(t, err)
	if info := c.Info(); info.Offline || info.Snapshot.Version != 2 {
		t.Errorf("info %+v", info)
	}
}

func TestClientFetchesWhatChangedAlone(t *testing.T) {
	w := published(t)
	host := newWebHost(t, w.path("public"))
	read := func() []string {
		c, err := w.open(host.url, w.kept())
		must(t, err)
		must(t, readAll(t.Context(), c))
		return host.requests()
	}
	if cold := read(); len(cold) < 12 {
		t.Errorf("a first look asked for %q", cold)
	}
	unchanged := read()
	if want := []string{"/metadata/2.root.json", "/metadata/timestamp.json"}; strings.Join(unchanged, " ") != strings.Join(want, " ") {
		t.Errorf("an unchanged catalogue was asked for %q, expected %q", unchanged, want)
	}
	w.release()
	w.sign(start.Add(time.Hour))
	changed := read()
	for _, name := range changed {
		if strings.Contains(name, "proxy") {
			t.Errorf("the recipe that did not change was fetched: %s", name)
		}
	}
	tars := strings.Count(strings.Join(changed, " "), ".tar")
	if tars != 1 || len(changed) > 10 {
		t.Errorf("one release asked for %q", changed)
	}
}

func TestContentCache(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	c := newContentCache(dir, 1000)
	content := func(i int) []byte { return []byte(strings.Repeat(string(rune('a'+i)), 100)) }
	for i := range 20 {
		c.put(hashOf(content(i)), content(i))
		old := time.Now().Add(time.Duration(i-100) * time.Minute)
		must(t, os.Chtimes(filepath.Join(dir, hashOf(content(i))), old, old))
		if _, ok := c.get(hashOf(content(0)), 100); !ok {
			t.Fatal("what is used most was removed")
		}
	}
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) > 11 || len(entries) < 8 {
		t.Errorf("%d files of 100 bytes are kept, expected about 10", len(entries))
	}
	if _, ok := c.get(hashOf(content(1)), 100); ok {
		t.Error("what was used least lately is still there")
	}
	last := hashOf(content(19))
	if _, ok := c.get(last, 99); ok {
		t.Error("content over the limit was given")
	}
	flip(t, filepath.Join(dir, last), 5)
	if _, ok := c.get(last, 100); ok {
		t.Error("damaged content was given")
	}
	if _, err := os.Stat(filepath.Join(dir, last)); err == nil {
		t.Error("a damaged file stays")
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", e.Name(), info.Mode().Perm())
		}
	}
}

// TestClientHealsItsState has files that a power cut left empty or torn.
func TestClientHealsItsState(t *testing.T) {
	w := published(t)
	for _, name := range []string{"timestamp.json", "snapshot.json", "targets.json", "whole/timestamp.json", "whole/targets.json"} {
		for how, data := range map[string]string{"empty": "", "torn": `{"signed":`, "zeros": "\x00\x00\x00"} {
			t.Run(name+" "+how, func(t *testing.T) {
				opts := ClientOptions{StateDir: t.TempDir()}
				_, err := w.open(w.path("public"), opts)
				must(t, err)
				files, err := filepath.Glob(filepath.Join(opts.StateDir, "*", name))
				if err != nil || len(files) != 1 {
					t.Fatal(files, err)
				}
				must(t, os.WriteFile(files[0], []byte(data), 0o600))
				c, err := w.open(w.path("public"), opts)
				must(t, err)
				must(t, readAll(t.Context(), c))
				healed, err := os.ReadFile(files[0])
				must(t, err)
				if _, err := trust.Parse(trust.Role(strings.TrimSuffix(filepath.Base(name), ".json")), healed); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestClientForgottenTimestamp: what the catalogue must not fall behind is lost,
// and that is said.
func TestClientForgottenTimestamp(t *testing.T) {
	w := published(t)
	_, err := w.open(w.path("public"), w.kept())
	must(t, err)
	for _, pattern := range []string{"state/*/timestamp.json", "state/*/whole/timestamp.json"} {
		files, err := filepath.Glob(w.path(pattern))
		must(t, err)
		must(t, os.WriteFile(files[0], nil, 0o600))
	}
	_, err = w.open(w.path("public"), w.kept())
	wants(t, err, fault.Refused, "timestamp.json\" cannot be read")
}

// TestClientOfflineFromARegistry: a registry that is down is a host that is down.
func TestClientOfflineFromARegistry(t *testing.T) {
	w := published(t)
	registry, err := localregistry.Start()
	must(t, err)
	target := "oci+http://" + registry.Addr + "/coop/catalogue"
	_, err = Publish(t.Context(), PublishOptions{Public: w.path("public"), Target: target, Now: start})
	must(t, err)
	opts := w.kept()
	opts.Timeout = 2 * time.Second
	c, err := w.open(target, opts)
	must(t, err)
	must(t, readAll(t.Context(), c))
	must(t, registry.Close())
	c, err = w.open(target, opts)
	must(t, err)
	if info := c.Info(); !info.Offline || info.Reason == "" {
		t.Errorf("info %+v", info)
	}
	must(t, readAll(t.Context(), c))
}

// TestRegistryCertificateIsAnAnswer: nothing stands in for a registry that somebody
// else may answer for.
func TestRegistryCertificateIsAnAnswer(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(server.Close)
	_, err := Open(t.Context(), "oci://"+server.Listener.Addr().String()+"/coop/catalogue", ClientOptions{Timeout: 5 * time.Second})
	wants(t, err, fault.Unavailable, "has a certificate that is not trusted")
	if isUnreachable(err) {
		t.Error("a certificate that is not trusted is taken for no answer")
	}
}
