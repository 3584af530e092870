package deployer

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/client"
)

// counter is a proxy before the engine that counts the requests by kind.
type counter struct {
	mu     sync.Mutex
	counts map[string]int // "GET /services" → number
}

// objectID is what of a path names one object.
var objectID = regexp.MustCompile(`^(/[a-z]+)/([0-9a-f]{64}|[a-z0-9]{25})`)

func (c *counter) count(r *http.Request) {
	path := r.URL.Path
	if rest := strings.SplitN(path, "/", 3); len(rest) == 3 && strings.HasPrefix(rest[1], "v1.") {
		path = "/" + rest[2]
	}
	kind := r.Method + " " + objectID.ReplaceAllString(path, "$1/ID")
	query := r.URL.Query()
	switch filters := query.Get("filters"); {
	case strings.Contains(filters, "_up-to-date"), query.Has("status"), strings.HasPrefix(kind, "GET /nodes"), strings.HasPrefix(kind, "GET /containers"),
		kind == "GET /tasks" && strings.Contains(filters, "label"): // waiting for tasks to end
		kind += " (look)"
	case kind == "POST /configs/ID/update":
		kind += " (beat)"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[kind]++
}

// take gives what was counted since the last take.
func (c *counter) take() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.counts
	c.counts = map[string]int{}
	return taken
}

// counted gives the rig a connection through a counter.
func (r *rig) counted() *counter {
	r.t.Helper()
	c := &counter{counts: map[string]int{}}
	r.behind(func(engine http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			c.count(q)
			engine.ServeHTTP(w, q)
		})
	})
	c.take()
	return c
}

// behind gives the rig a connection that goes by a handler before the engine.
func (r *rig) behind(wrap func(engine http.Handler) http.Handler) {
	r.t.Helper()
	socket := filepath.Join(r.t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		r.t.Fatal(err)
	}
	target, err := url.Parse("http://engine")
	if err != nil {
		r.t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.FlushInterval = -1                    // events come as they are
	proxy.ErrorLog = log.New(io.Discard, "", 0) // a stream of events ends with its watch
	proxy.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", r.lab.node.Socket())
	}}
	server := &http.Server{Handler: wrap(proxy)}
	go func() { _ = server.Serve(listener) }()
	e, err := open(r.t.Context(), "test", "unix://"+socket, []client.Opt{client.WithHost("unix://" + socket)})
	if err != nil {
		r.t.Fatal(err)
	}
	direct := r.Engine
	r.Engine = e
	r.t.Cleanup(func() { // before the rig's own, which needs a connection
		r.Engine = direct
		_ = e.Close()
		_ = server.Close()
	})
}

// bounded fails when a deploy sent more requests than most beside those that depend
// on how long it takes: its looks, and the lock's beats, which read the lock first.
func (c *counter) bounded(t *testing.T, what string, most int) {
	t.Helper()
	other, looks, kinds := 0, 0, ""
	counts := c.take()
	for _, kind := range sortedKeys(counts) {
		switch {
		case strings.HasSuffix(kind, "(look)"):
			looks += counts[kind]
		case strings.HasSuffix(kind, "(beat)"):
			other -= counts[kind]
		default:
			other += counts[kind]
		}
		kinds += fmt.Sprintf("\n%4d %s", counts[kind], kind)
	}
	t.Logf("%s: %d requests, and %d for looks:%s", what, other, looks, kinds)
	if other > most {
		t.Errorf("%s sent %d requests beside its looks, expected at most %d:%s", what, other, most, kinds)
	}
}

// services is a compose file of n services like compose's.
func services(n int, version string) string {
	one := compose(version)
	head, rest, _ := strings.Cut(one, "  app:\n")
	body, tail, _ := strings.Cut(rest, "configs:\n  conf:")
	text := head
	for i := range n {
		text += fmt.Sprintf("  app%d:\n%s", i, body)
	}
	return text + "configs:\n  conf:" + tail
}

// TestRequestsOfADeploy bounds what a deploy asks of an engine that may be far away.
// Beside its looks, at services and tasks while it watches and at containers, it sends
// a fixed number of requests, and two for each write: the lock is checked before.
func TestRequestsOfADeploy(t *testing.T) {
	r := newRig(t, "requests")
	c := r.counted()
	const fixed = 24
	r.converges(r.desired("1.0.0+1", compose("1")))
	c.bounded(t, "a fresh deploy of one service", fixed+2*3)
	r.converges(r.desired("1.0.0+1", compose("1")))
	c.bounded(t, "a deploy that changes nothing", fixed)
	const n = 10
	r.converges(r.desired("1.0.0+1", services(n, "1")))
	c.bounded(t, "a deploy of ten services, which removes one", fixed+2*(n+1))
}

// TestPace bounds the looks of a watch: a burst of events is one look, and where
// nothing happens there is one a second.
func TestPace(t *testing.T) {
	now := time.Now()
	quiet := map[string]Progress{"app": {Phase: Starting, Slots: 1}}
	var p pace
	passed, looks := time.Duration(0), 0
	for ; passed < time.Minute; looks++ {
		gap := p.next(quiet, now)
		if passed == 0 && gap != lookSoon {
			t.Errorf("after the first look the next comes in %s, expected %s", gap, lookSoon)
		}
		passed += gap
	}
	if looks > 64 {
		t.Errorf("%d looks in a quiet minute", looks)
	}
	moved := map[string]Progress{"app": {Phase: Starting, Running: 1, Slots: 1}}
	if gap := p.next(moved, now); gap != lookSoon {
		t.Errorf("after a change the next look comes in %s, expected %s", gap, lookSoon)
	}
	settling := map[string]Progress{
		"app": {Phase: Settling, Running: 1, Slots: 1, Settles: now.Add(30 * time.Millisecond)},
		"db":  {Phase: Settling, Running: 1, Slots: 1, Settles: now.Add(50 * time.Millisecond)},
	}
	if gap := p.next(settling, now); gap < 50*time.Millisecond || gap > 60*time.Millisecond {
		t.Errorf("the last service settles in 50ms, and the next look comes in %s", gap)
	}
	over := map[string]Progress{"app": {Phase: Settling, Settles: now.Add(-time.Second)}}
	if gap := p.next(over, now); gap < lookSoon {
		t.Errorf("a service that should have settled is looked at again in %s", gap)
	}
}
