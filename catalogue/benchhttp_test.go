package catalogue

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// benchHTTP builds with nothing changed over http, and in the same run asks the
// same server for the same listings with net/http and nothing else, at the same
// concurrency: GET /info/refs?service=git-upload-pack of git's protocol 0, which
// is what go-git speaks, read to the end and not even parsed. The server is git's
// own; and once more one that has git's answers in memory, 10 ms away, so that
// the ratio is not about git's processes.
func (w *benchWorld) benchHTTP(b *testing.B) {
	real := gitServer(b, w.path("repos"))
	recorded := &recording{next: real}
	for name, handler := range map[string]http.Handler{"git-http-backend": real, "recorded": recorded} {
		b.Run(name, func(b *testing.B) {
			address := serveHandler(b, handler)
			cfg := w.config(address)
			lsRemotes(b, cfg)
			w.build(b, cfg, "build")
			var bare, ours time.Duration
			var report *Report
			for b.Loop() {
				began := time.Now()
				lsRemotes(b, cfg)
				bare += time.Since(began)
				began = time.Now()
				report = w.build(b, cfg, "build")
				ours += time.Since(began)
			}
			counts(b, report)
			b.ReportMetric(float64(ours)/float64(bare), "ratio")
			b.ReportMetric(bare.Seconds()/float64(b.N), "bare-s/op")
			b.ReportMetric(ours.Seconds()/float64(b.N), "build-s/op")
		})
	}
}

// gitServer answers git's smart HTTP protocol for all repositories below root.
func gitServer(b *testing.B, root string) http.Handler {
	b.Helper()
	execPath, err := exec.Command("git", "--exec-path").Output()
	must(b, err)
	return &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(execPath)), "git-http-backend"),
		Env: append(os.Environ(), "GIT_PROJECT_ROOT="+root, "GIT_HTTP_EXPORT_ALL=1",
			"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"),
		Stderr: io.Discard,
	}
}

// recording answers what its next one answered the first time.
type recording struct {
	next http.Handler
	said sync.Map // request URI → *answered
}

type answered struct {
	header http.Header
	body   bytes.Buffer
}

func (r *answered) Header() http.Header         { return r.header }
func (r *answered) WriteHeader(int)             {}
func (r *answered) Write(p []byte) (int, error) { return r.body.Write(p) }

func (r *recording) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	known, ok := r.said.Load(req.URL.RequestURI())
	if !ok {
		made := &answered{header: http.Header{}}
		r.next.ServeHTTP(made, req)
		r.said.Store(req.URL.RequestURI(), made)
		known = made
	}
	timer := time.NewTimer(10 * time.Millisecond)
	defer timer.Stop()
	<-timer.C
	answer := known.(*answered)
	w.Header().Set("Content-Type", answer.header.Get("Content-Type"))
	_, _ = w.Write(answer.body.Bytes())
}

// lsRemotes asks every source for its refs.
func lsRemotes(b *testing.B, cfg Config) {
	b.Helper()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = sideBySide()
	client := &http.Client{Transport: transport}
	defer client.CloseIdleConnections()
	var group errgroup.Group
	group.SetLimit(sideBySide())
	for _, s := range cfg.Sources {
		group.Go(func() error { return lsRemote(b.Context(), client, s.Git) })
	}
	must(b, group.Wait())
}

func lsRemote(ctx context.Context, client *http.Client, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/info/refs?service=git-upload-pack", nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", address, resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
