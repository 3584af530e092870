package catalogue

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
)

// served is a handler of a folder.
func served(t *testing.T, dir string) *servedFolder {
	t.Helper()
	files, err := openServed(dir)
	must(t, err)
	t.Cleanup(func() { _ = files.Close() })
	return files
}

func ask(h http.Handler, method, path string, header ...string) *http.Response {
	r := httptest.NewRequest(method, "http://catalogue.example.org/", nil)
	r.URL.Path = path
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	data, err := io.ReadAll(r.Body)
	must(t, err)
	return string(data)
}

// running is Serve itself on a free port. stop ends it and gives its error.
func running(t *testing.T, dir string) (address string, log func() []Access, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	ready, ended := make(chan string, 1), make(chan error, 1)
	asked := make(chan Access, 1000)
	go func() {
		ended <- Serve(ctx, ServeOptions{
			Dir: dir, Listen: "127.0.0.1:0",
			Ready:  func(address string) { ready <- address },
			Access: func(a Access) { asked <- a },
		})
	}()
	log = func() (all []Access) {
		for len(asked) > 0 {
			all = append(all, <-asked)
		}
		return all
	}
	select {
	case address = <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	return address, log, func() error { cancel(); return <-ended }
}

// TestServedToTheClient: the real client and Verify read all of it, and what is
// published meanwhile is seen at once.
func TestServedToTheClient(t *testing.T) {
	w := published(t)
	address, log, stop := running(t, w.path("public"))
	if v := w.verify(address, start); len(v.Problems) > 0 || v.Versions != 3 {
		t.Errorf("%d versions; %s", v.Versions, problems(v))
	}
	state := t.TempDir()
	c, err := w.open(address, ClientOptions{StateDir: state})
	must(t, err)
	must(t, readAll(t.Context(), c))
	w.release()
	w.sign(start)
	c, err = w.open(address, ClientOptions{StateDir: state})
	must(t, err)
	_, e, err := c.Entry(t.Context(), "web", "")
	must(t, err)
	if e.Version != "1.2.0+1.2" || c.Info().Timestamp.Version != 2 {
		t.Errorf("version %s, timestamp %d", e.Version, c.Info().Timestamp.Version)
	}
	if err := stop(); err != nil {
		t.Errorf("the end is an error: %v", err)
	}
	all := log()
	if len(all) < 20 || !slices.ContainsFunc(all, func(a Access) bool {
		return a.Path == "/v1/index.json" && a.Method == "GET" && a.Status == 200 && a.Bytes > 100 && a.Remote != ""
	}) {
		t.Errorf("asked: %v", all)
	}
	if _, err := http.Get(address); err == nil {
		t.Error("it still answers")
	}
}

// TestServedCaching: every file of a published catalogue has the caching that its
// name stands for, and the type that it is.
func TestServedCaching(t *testing.T) {
	w := published(t)
	h := served(t, w.path("public"))
	ask1 := map[string]bool{trust.TimestampName: true, trust.RootCopyName: true, recipesName: true, indexName: true, recipePath("web"): true, recipePath("proxy"): true}
	for name, content := range snapshotOf(t, w.path("public")) {
		r := ask(h, "GET", "/"+name)
		want, kind := cacheForever, "application/json"
		if ask1[name] {
			want = cacheAsk
		}
		if strings.HasSuffix(name, ".tar") {
			kind = "application/x-tar"
		}
		got := fmt.Sprint(r.StatusCode, r.Header.Get("Cache-Control"), r.Header.Get("Content-Type"), r.Header.Get("ETag"), r.Header.Get("Last-Modified"))
		if got != fmt.Sprint(200, want, kind, `"`+hashOf([]byte(content))+`"`, "") || body(t, r) != content {
			t.Errorf("%s: %s", name, got)
		}
		r = ask(h, "HEAD", "/"+name)
		if r.StatusCode != 200 || r.ContentLength != int64(len(content)) || body(t, r) != "" || r.Header.Get("Cache-Control") != want {
			t.Errorf("HEAD %s: %d, length %d", name, r.StatusCode, r.ContentLength)
		}
	}
	r := ask(h, "GET", "/metadata/2.root.json")
	if r.StatusCode != 404 || r.Header.Get("Cache-Control") != "no-store" || r.Header.Get("ETag") != "" {
		t.Errorf("the next root: %d, %v", r.StatusCode, r.Header)
	}
}

func TestServedConditionsAndRanges(t *testing.T) {
	w := published(t)
	h := served(t, w.path("public"))
	path := "/" + trust.TimestampName
	first := ask(h, "GET", path)
	etag, whole := first.Header.Get("ETag"), body(t, first)
	for _, test := range []struct {
		header []string
		status int
		body   string
	}{
		{[]string{"If-None-Match", etag}, 304, ""},
		{[]string{"If-None-Match", `"x", ` + etag}, 304, ""},
		{[]string{"If-None-Match", `"x"`}, 200, whole},
		{[]string{"If-Match", `"x"`}, 412, ""},
		{[]string{"If-Modified-Since", "Fri, 31 Dec 2100 23:59:59 GMT"}, 200, whole},
		{[]string{"Range", "bytes=2-5"}, 206, whole[2:6]},
		{[]string{"Range", "bytes=2-5", "If-Range", etag}, 206, whole[2:6]},
		{[]string{"Range", "bytes=2-5", "If-Range", `"x"`}, 200, whole},
		{[]string{"Range", "bytes=-3"}, 206, whole[len(whole)-3:]},
		{[]string{"Accept-Encoding", "gzip, br"}, 200, whole},
	} {
		r := ask(h, "GET", path, test.header...)
		if got := body(t, r); r.StatusCode != test.status || got != test.body || r.Header.Get("Content-Encoding") != "" {
			t.Errorf("%q: %d %q", test.header, r.StatusCode, got)
		}
	}
	if r := ask(h, "GET", path, "Range", "bytes=999999-"); r.StatusCode != 416 || r.Header.Get("Cache-Control") == cacheForever {
		t.Errorf("a range behind the end: %d %v", r.StatusCode, r.Header)
	}
	w.sign(start) // in the same second, for all that the file's time says
	if r := ask(h, "GET", path, "If-None-Match", etag); r.StatusCode != 200 || r.Header.Get("ETag") == etag {
		t.Errorf("after it was signed again: %d, ETag %s", r.StatusCode, r.Header.Get("ETag"))
	}
}

// TestServedDamage: a file that is not what its name says is kept by no cache.
func TestServedDamage(t *testing.T) {
	w := published(t)
	h := served(t, w.path("public"))
	e := entryIn(t, w.path("public"), "web", "1.0.0+1.0")
	if got := ask(h, "GET", "/"+e.Bundle.Path()).Header.Get("Cache-Control"); got != cacheForever {
		t.Errorf("before: %s", got)
	}
	flip(t, filepath.Join(w.path("public"), e.Bundle.Path()), 600)
	if got := ask(h, "GET", "/"+e.Bundle.Path()).Header.Get("Cache-Control"); got != cacheAsk {
		t.Errorf("after: %s", got)
	}
}

// TestServedOnlyTheCatalogue: nothing else in the folder, nothing out of it, and
// no other method.
func TestServedOnlyTheCatalogue(t *testing.T) {
	w := published(t)
	public := w.path("public")
	h := served(t, public)
	secret := w.path("secret.json")
	inside := func(name string) string { return filepath.Join(public, filepath.FromSlash(name)) }
	for _, err := range []error{
		os.WriteFile(secret, []byte("secret"), 0o644),
		os.WriteFile(inside(".env"), []byte("secret"), 0o644),
		os.WriteFile(inside("v1/recipes/.web.json"), []byte("secret"), 0o644),
		os.WriteFile(inside("notes.json"), []byte("secret"), 0o644),
		os.MkdirAll(inside(disk.Scratch), 0o755),
		os.WriteFile(inside(disk.Scratch+"/abc"), []byte("secret"), 0o644),
		os.Symlink(secret, inside(recipePath("link"))),
		os.Symlink("../../../secret.json", inside(recipePath("up"))),
		os.Symlink(w.dir, inside("v1/away")),
		syscall.Mkfifo(inside(recipePath("pipe")), 0o644),
		os.Mkdir(inside(recipePath("folder")), 0o755),
	} {
		must(t, err)
	}
	for _, path := range []string{
		"", "/", "/v1", "/v1/", "/v1/recipes/", "/.env", "/v1/recipes/.web.json", "/notes.json", "/" + disk.Scratch + "/abc",
		"/" + recipePath("link"), "/" + recipePath("up"), "/" + recipePath("pipe"), "/" + recipePath("folder"), "/" + recipePath("none"),
		"/v1/away/secret.json", "/../secret.json", "/v1/../../secret.json", "//" + secret, secret, "/metadata/../metadata/timestamp.json",
		"/metadata/timestamp.json/", "/metadata//timestamp.json", `/metadata\timestamp.json`, "/metadata/timestamp.json\x00", "metadata/timestamp.json",
		"/metadata/0.root.json", "/metadata/9.snapshot.json", "/v1/recipes/" + strings.Repeat("a", 10_000) + ".json",
	} {
		r := ask(h, "GET", path)
		if text := body(t, r); r.StatusCode != 404 || r.Header.Get("Cache-Control") != "no-store" || text != "Not Found\n" {
			t.Errorf("%q: %d %q %v", path, r.StatusCode, text, r.Header)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"} {
		if r := ask(h, method, "/"+indexName); r.StatusCode != 405 || r.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d %v", method, r.StatusCode, r.Header)
		}
	}
}

func TestServeRefuses(t *testing.T) {
	w := published(t)
	broken := w.path("broken")
	copyTree(t, w.path("public"), broken)
	must(t, os.WriteFile(filepath.Join(broken, trust.TimestampName), []byte("<html>"), 0o644))
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	for _, test := range []struct {
		dir, listen string
		kind        fault.Kind
		text        string
	}{
		{w.path("build"), "127.0.0.1:0", fault.Usage, "it is not signed"},
		{t.TempDir(), "127.0.0.1:0", fault.Usage, "is no published catalogue: there is no metadata/1.root.json"},
		{w.path("nowhere"), "127.0.0.1:0", fault.Unavailable, "no such file"},
		{broken, "127.0.0.1:0", fault.Refused, "metadata/timestamp.json in "},
		{w.path("public"), "8080", fault.Usage, "expected host:port"},
		{w.path("public"), taken.Addr().String(), fault.Unavailable, "address already in use"},
	} {
		err := Serve(t.Context(), ServeOptions{Dir: test.dir, Listen: test.listen, Ready: func(string) { t.Error("it was served") }})
		wants(t, err, test.kind, test.text)
	}
}

// TestServeEndsWithAnIdleReader: who asks half a question does not hold it up for
// ever.
func TestServeEndsWithAnIdleReader(t *testing.T) {
	w := published(t)
	address, _, stop := running(t, w.path("public"))
	idle, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
	must(t, err)
	defer idle.Close()
	_, err = io.WriteString(idle, "GET /v1/index.json HTTP/1.1\r\n") // and no more
	must(t, err)
	if err := stop(); err != nil {
		t.Error(err)
	}
	rest, err := io.ReadAll(idle)
	if len(rest) > 0 {
		t.Errorf("it was answered %q, %v", rest, err)
	}
}
