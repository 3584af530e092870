package soak

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// proxy stands between galley and the engine. It counts galley's writes, so that a
// fault can come at a moment that means the same on every machine, and it can let
// requests hang or cut them off.
type proxy struct {
	host   string // for DOCKER_HOST
	server *http.Server

	mu     sync.Mutex
	writes int
	// reached is closed when as many writes have come in as were asked for.
	reached chan struct{}
	target  int
	cut     cut
	healed  chan struct{}
	conns   map[net.Conn]bool
}

// cut is what the way to the engine does.
type cut int

const (
	whole      cut = iota
	stalling       // requests wait until it is healed
	resetting      // connections break, and no new one holds
	forgetting     // the engine gets the request; the answer is lost
)

func startProxy(t *testing.T, dir, socket string) *proxy {
	t.Helper()
	path := filepath.Join(dir, "engine.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{host: "unix://" + path, conns: map[net.Conn]bool{}, healed: make(chan struct{})}
	target := &url.URL{Scheme: "http", Host: "engine"}
	forward := httputil.NewSingleHostReverseProxy(target)
	forward.FlushInterval = -1
	forward.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	dialer := net.Dialer{}
	forward.Transport = &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		},
	}
	p.server = &http.Server{Handler: p.handler(forward), ConnState: p.track}
	go func() { _ = p.server.Serve(listener) }()
	t.Cleanup(func() { _ = p.server.Close(); _ = os.Remove(path) })
	return p
}

func (p *proxy) track(c net.Conn, state http.ConnState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch state {
	case http.StateNew:
		p.conns[c] = true
	case http.StateClosed, http.StateHijacked:
		delete(p.conns, c)
	}
}

func (p *proxy) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.count(r)
		p.mu.Lock()
		state, healed := p.cut, p.healed
		p.mu.Unlock()
		switch state {
		case resetting:
			panic(http.ErrAbortHandler)
		case forgetting:
			if isWrite(r) {
				next.ServeHTTP(discard{http.Header{}}, r)
			}
			panic(http.ErrAbortHandler)
		case stalling:
			select {
			case <-healed:
			case <-r.Context().Done():
				panic(http.ErrAbortHandler)
			}
		}
		next.ServeHTTP(w, r)
	})
}

// discard takes an answer that nobody will get.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// isWrite tells a request that changes something. A lock's heartbeat is none: it
// comes by the clock.
func isWrite(r *http.Request) bool {
	if strings.Contains(r.URL.Path, "/configs/") && strings.HasSuffix(r.URL.Path, "/update") {
		return false
	}
	return r.Method == http.MethodPost || r.Method == http.MethodDelete
}

func (p *proxy) count(r *http.Request) {
	if !isWrite(r) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writes++
	if p.reached != nil && p.writes >= p.target {
		close(p.reached)
		p.reached = nil
	}
}

// after gives a channel that is closed when the n-th write from now comes in,
// before the engine gets it; at once for 0.
func (p *proxy) after(n int) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	done := make(chan struct{})
	p.writes, p.target, p.reached = 0, n, done
	if n == 0 {
		p.reached = nil
		close(done)
	}
	return done
}

// damage lets the way to the engine do this from now on. What is under way breaks,
// but for stalling.
func (p *proxy) damage(how cut) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut, p.healed = how, make(chan struct{})
	if how == resetting {
		for c := range p.conns {
			_ = c.Close()
		}
	}
}

func (p *proxy) heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut != whole {
		p.cut = whole
		close(p.healed)
	}
}
