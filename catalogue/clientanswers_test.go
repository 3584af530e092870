package catalogue

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galley-coop/galley/internal/fault"
)

// TestClientBadAnswers spoils one file that the server sends, each in its way.
func TestClientBadAnswers(t *testing.T) {
	w := published(t)
	public := w.path("public")
	html := func(rw http.ResponseWriter, _ []byte) { _, _ = rw.Write([]byte("<!doctype html><title>Hello</title>")) }
	truncated := func(rw http.ResponseWriter, data []byte) { _, _ = rw.Write(data[:len(data)/2]) }
	longer := func(rw http.ResponseWriter, data []byte) { _, _ = rw.Write(append(data, make([]byte, 600_000)...)) }
	cut := func(rw http.ResponseWriter, data []byte) {
		rw.Header().Set("Content-Length", "10000")
		rw.WriteHeader(http.StatusOK)
		_, _ = rw.Write(data[:10])
	}
	status := func(code int) func(http.ResponseWriter, []byte) {
		return func(rw http.ResponseWriter, _ []byte) { rw.WriteHeader(code) }
	}
	hang := func(ctx context.Context, rw http.ResponseWriter, data []byte) {
		rw.WriteHeader(http.StatusOK)
		_, _ = rw.Write(data[:1])
		rw.(http.Flusher).Flush()
		<-ctx.Done() // the client gave up
	}
	tests := []struct {
		name, part string                            // of the file's name
		spoil      func(http.ResponseWriter, []byte) // nil hangs
		kind       fault.Kind
		want       string
	}{
		{"HTML root", "1.root.json", html, fault.Refused, "1.root.json is an HTML page"},
		{"HTML for the next root", "2.root.json", html, fault.Refused, "2.root.json is an HTML page"},
		{"HTML timestamp", "timestamp.json", html, fault.Refused, "timestamp.json is an HTML page"},
		{"HTML snapshot", "1.snapshot.json", html, fault.Refused, "1.snapshot.json is an HTML page"},
		{"HTML index", ".index.json", html, fault.Refused, "index.json is an HTML page"},
		{"HTML bundle", ".tar", html, fault.Refused, ".tar is an HTML page"},
		{"truncated timestamp", "timestamp.json", truncated, fault.Refused, "timestamp.json is not metadata"},
		{"truncated targets", "1.targets.json", truncated, fault.Refused, "1.targets.json is not"},
		{"truncated recipe", ".web.json", truncated, fault.Refused, "web.json is not the file that was signed"},
		{"truncated bundle", ".tar", truncated, fault.Refused, "bytes, expected"},
		{"endless timestamp", "timestamp.json", longer, fault.Refused, "timestamp.json is longer than it may be"},
		{"endless targets", "1.targets.json", longer, fault.Refused, "1.targets.json is longer than it may be"},
		{"endless recipe", ".web.json", longer, fault.Refused, "web.json is longer than it may be"},
		{"endless bundle", ".tar", longer, fault.Refused, ".tar is longer than the"},
		{"missing timestamp", "timestamp.json", status(404), fault.Refused, "timestamp.json is missing"},
		{"missing recipe", ".web.json", status(404), fault.Refused, "web.json is missing"},
		{"missing bundle", ".tar", status(404), fault.Refused, ".tar is missing"},
		{"no catalogue", "1.root.json", status(404), fault.Unavailable, "there is no metadata/1.root.json"},
		{"500", "timestamp.json", status(500), fault.Unavailable, "answered 500 Internal Server Error"},
		{"403 for a bundle", ".tar", status(403), fault.Unavailable, "answered 403 Forbidden"},
		{"connection cut", "timestamp.json", cut, fault.Unavailable, "the answer was cut short"},
		{"stalled", "1.snapshot.json", nil, fault.Unavailable, "no whole answer in time"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url := serveHandler(t, http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
				data, err := os.ReadFile(filepath.Join(public, filepath.Clean(req.URL.Path)))
				switch {
				case strings.HasSuffix(req.URL.Path, tt.part) && tt.spoil == nil:
					hang(req.Context(), rw, data)
				case strings.HasSuffix(req.URL.Path, tt.part):
					tt.spoil(rw, data)
				case err != nil:
					http.NotFound(rw, req)
				default:
					_, _ = rw.Write(data)
				}
			}))
			c, err := Open(t.Context(), url, ClientOptions{Now: start, Timeout: time.Second})
			if err == nil {
				defer c.Close()
				err = readAll(t.Context(), c)
			}
			wants(t, err, tt.kind, tt.want)
		})
	}
}

func TestClientUnreachable(t *testing.T) {
	tests := []struct {
		location string
		kind     fault.Kind
		want     string
	}{
		{"http://127.0.0.1:1/catalogue", fault.Unavailable, "asking 127.0.0.1:1"},
		{"ftp://example.org", fault.Usage, "expected https://"},
		{"https://user:secret@127.0.0.1:1/", fault.Unavailable, "https://127.0.0.1:1"},
		{"https://example.org/?a=b", fault.Usage, "without a query"},
		{filepath.Join(t.TempDir(), "none"), fault.Unavailable, "opening catalogue"},
		{t.TempDir(), fault.Unavailable, "there is no metadata/1.root.json"},
	}
	for _, tt := range tests {
		_, err := Open(t.Context(), tt.location, ClientOptions{Timeout: time.Second})
		wants(t, err, tt.kind, tt.want)
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func TestClientCancelled(t *testing.T) {
	w := published(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Open(ctx, serve(t, w.path("public")), ClientOptions{Now: start})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, expected context.Canceled", err)
	}
}

// TestClientRefusesAnEntryThatLies has the bundle of another version in place.
func TestClientRefusesAnEntryThatLies(t *testing.T) {
	w := published(t)
	c, err := w.open(w.path("public"), ClientOptions{})
	must(t, err)
	_, e, err := c.Entry(t.Context(), "web", "1.0.0+1.0")
	must(t, err)
	_, other, err := c.Entry(t.Context(), "web", "1.1.0+1.1")
	must(t, err)
	path := filepath.Join(w.path("public"), e.Bundle.Path())
	data, err := os.ReadFile(filepath.Join(w.path("public"), other.Bundle.Path()))
	must(t, err)
	must(t, os.WriteFile(path, data, 0o644))
	_, err = c.Bundle(t.Context(), e)
	wants(t, err, fault.Refused, e.Bundle.Path())
	e.Bundle.SHA256 = "../../etc/passwd"
	_, err = c.Bundle(t.Context(), e)
	wants(t, err, fault.Refused, "names no bundle that can be")
}
