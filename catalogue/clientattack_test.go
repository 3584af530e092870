package catalogue

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
)

// TestClientRefusesContent is what a host may do with heads, entries and bundles;
// what it may do with metadata, package trust's TestAttacks has. Each time the
// reader comes for web 1.1.0+1.1 with an empty cache, and then with one that was
// filled before: what it has needs no host.
func TestClientRefusesContent(t *testing.T) {
	w := published(t)
	public := w.path("public")
	head := func(name string) string { return "/" + hashedNameOf(t, public, recipePath(name)) }
	entry := func(name, version string) string {
		return "/" + entryPath(headIn(t, public, name).Release(version).Entry)
	}
	bundle := func(name, version string) string { return "/" + entryIn(t, public, name, version).Bundle.Path() }
	oldHead := head("web")
	old := w.path("old")
	copyTree(t, public, old)
	w.release()
	w.sign(start.Add(time.Hour))

	tests := []struct{ name, asked, given, want string }{
		{"another version's entry", entry("web", "1.1.0+1.1"), entry("web", "1.0.0+1.0"), "is not the file that its name says"},
		{"another recipe's entry", entry("web", "1.1.0+1.1"), entry("proxy", "0.1.0+v3"), "is not the file that its name says"},
		{"another version's bundle", bundle("web", "1.1.0+1.1"), bundle("web", "1.0.0+1.0"), ".tar"},
		{"another recipe's head", head("web"), head("proxy"), "web.json is"},
		{"the head of before, which its own hash vouches for", head("web"), oldHead, "web.json is"},
		{"an entry for a head", head("web"), entry("web", "1.1.0+1.1"), "web.json is"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.asked == tt.given {
				t.Fatalf("%s is given for itself", tt.asked)
			}
			host := newWebHost(t, public)
			swap := func(rw http.ResponseWriter, req *http.Request) {
				name := req.URL.Path
				if name == tt.asked {
					name = tt.given
				}
				http.ServeFile(rw, req, filepath.Join(public, filepath.FromSlash(name)))
			}
			opts := ClientOptions{CacheDir: t.TempDir()}
			host.answer(swap)
			err := readWeb(t, w, host.url, opts)
			wants(t, err, fault.Refused, tt.want)
			if !strings.Contains(fault.HintOf(err), "tell the publisher") {
				t.Errorf("hint %q", fault.HintOf(err))
			}
			host.answer(nil)
			must(t, readWeb(t, w, host.url, opts))
			host.answer(swap)
			must(t, readWeb(t, w, host.url, opts))
		})
	}
}

func readWeb(t *testing.T, w *world, url string, opts ClientOptions) error {
	t.Helper()
	c, err := w.open(url, opts)
	if err != nil {
		return err
	}
	_, e, err := c.Entry(t.Context(), "web", "1.1.0+1.1")
	if err == nil {
		_, err = c.Bundle(t.Context(), e)
	}
	return err
}

// hashedNameOf is the name under which a client asks for a target.
func hashedNameOf(t *testing.T, public, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(public, name))
	must(t, err)
	return trust.HashedName(name, hashOf(data))
}

// TestClientRefusesASignedEntryOfAnother: a publisher's mistake, or a thief's who
// has the keys for a moment: the head of one recipe names the entry of another,
// and all hashes are right.
func TestClientRefusesASignedEntryOfAnother(t *testing.T) {
	w := published(t)
	c, err := w.open(w.path("public"), ClientOptions{})
	must(t, err)
	proxy := headIn(t, w.path("public"), "proxy").Versions[0]
	_, _, err = c.entry(t.Context(), "web", proxy)
	wants(t, err, fault.Refused, "v1/entries/")
	web := *headIn(t, w.path("public"), "web").Release("1.0.0+1.0")
	web.Version = "1.1.0+1.1"
	_, _, err = c.entry(t.Context(), "web", web)
	wants(t, err, fault.Refused, "v1/entries/")
}

// gzipBomb is a gigabyte in a megabyte: what gzip makes of a megabyte, 1024 times.
func gzipBomb(t testing.TB) []byte {
	t.Helper()
	var member bytes.Buffer
	w := gzip.NewWriter(&member)
	_, err := w.Write(make([]byte, 1<<20))
	must(t, err)
	must(t, w.Close())
	return bytes.Repeat(member.Bytes(), 1<<10)
}

// TestClientGzipBomb: what an answer unpacks to is bounded, not what was sent.
func TestClientGzipBomb(t *testing.T) {
	w := published(t)
	bomb := gzipBomb(t)
	for _, part := range []string{"1.root.json", "timestamp.json", "1.snapshot.json", ".index.json", ".tar", "/entries/"} {
		t.Run(part, func(t *testing.T) {
			url := serveHandler(t, http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
				if !strings.Contains(req.URL.Path, part) || req.Header.Get("Accept-Encoding") != "gzip" {
					http.FileServer(http.Dir(w.path("public"))).ServeHTTP(rw, req)
					return
				}
				rw.Header().Set("Content-Encoding", "gzip")
				_, _ = rw.Write(bomb)
			}))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			c, err := w.open(url, ClientOptions{})
			if err == nil {
				err = readAll(t.Context(), c)
			}
			runtime.ReadMemStats(&after)
			wants(t, err, fault.Refused, "longer than")
			if took := int64(after.TotalAlloc-before.TotalAlloc) >> 20; took > 400 {
				t.Errorf("%d MB were taken", took)
			}
		})
	}
}

// TestClientRedirects: another host may have the files, for they are verified. It
// is not told the password.
func TestClientRedirects(t *testing.T) {
	w := published(t)
	var told []string
	other := serveHandler(t, http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		told = append(told, req.Header.Get("Authorization"), req.Header.Get("Referer"))
		http.FileServer(http.Dir(w.path("public"))).ServeHTTP(rw, req)
	}))
	other = strings.Replace(other, "127.0.0.1", "localhost", 1)
	url := serveHandler(t, http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		if _, password, _ := req.BasicAuth(); password != "secret" {
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		http.Redirect(rw, req, other+req.URL.Path, http.StatusFound)
	}))
	c, err := w.open(strings.Replace(url, "http://", "http://me:secret@", 1), w.kept())
	must(t, err)
	must(t, readAll(t.Context(), c))
	if all := strings.Join(told, ""); strings.Contains(all, "secret") || strings.Contains(all, "Basic") || len(told) == 0 {
		t.Errorf("the other host was told %q", told)
	}
	if strings.Contains(fmt.Sprint(c.Info()), "secret") {
		t.Errorf("info shows the password: %+v", c.Info())
	}
	_, err = w.open(url, w.kept())
	wants(t, err, fault.Unavailable, "answered 401 Unauthorized")
	if hint := fault.HintOf(err); !strings.Contains(hint, "the host wants a login") {
		t.Errorf("hint %q", hint)
	}
	_, err = w.open(strings.Replace(url, "http://", "http://me:wrong@", 1), w.kept())
	wants(t, err, fault.Unavailable, "answered 401")
	if hint := fault.HintOf(err); !strings.Contains(hint, "are not the ones") || strings.Contains(hint+err.Error(), "wrong") {
		t.Errorf("hint %q, error %v", hint, err)
	}
}

func TestClientRedirectToHTTP(t *testing.T) {
	w := published(t)
	plain := serve(t, w.path("public"))
	server := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		http.Redirect(rw, req, plain+req.URL.Path, http.StatusFound)
	}))
	t.Cleanup(server.Close)
	_, err := w.open(server.URL, ClientOptions{HTTP: server.Client()})
	wants(t, err, fault.Unavailable, "redirects from https to http")
}

// TestClientEmptyAnswers has a host that sends nothing for each kind of file.
func TestClientEmptyAnswers(t *testing.T) {
	w := published(t)
	for part, want := range map[string]string{
		"1.root.json": "is empty", "timestamp.json": "is empty", "1.snapshot.json": "is empty", ".targets.json": "is empty", ".bin-": "is empty",
		".web.json": "web.json is not the file that was signed", "/entries/": "is not the file that its name says", "/bundles/": "has 0 bytes, expected",
	} {
		t.Run(part, func(t *testing.T) {
			host := newWebHost(t, w.path("public"))
			host.answer(func(rw http.ResponseWriter, req *http.Request) {
				if !strings.Contains(req.URL.Path, part) {
					http.FileServer(http.Dir(w.path("public"))).ServeHTTP(rw, req)
				}
			})
			wants(t, readWeb(t, w, host.url, ClientOptions{}), fault.Refused, want)
		})
	}
}

// TestVerifyOfAHostThatAnswersAlways ends at the first root: some hosts have a
// page for every name.
func TestVerifyOfAHostThatAnswersAlways(t *testing.T) {
	w := published(t)
	for name, text := range map[string]string{"a page": "<html>hello</html>", "JSON": `{"error":"unknown"}`, "nothing": ""} {
		t.Run(name, func(t *testing.T) {
			host := newWebHost(t, w.path("public"))
			host.answer(func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte(text)) })
			v := w.verify(host.url, start)
			if len(v.Problems) == 0 || len(v.Problems) > 4 || v.Problems[0].File != "metadata/1.root.json" {
				t.Errorf("%d problems: %.500s", len(v.Problems), problems(v))
			}
			if asked := host.requests(); len(asked) > 10 {
				t.Errorf("%d requests", len(asked))
			}
		})
	}
}
