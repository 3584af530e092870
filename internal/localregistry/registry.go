// Package localregistry is an OCI registry on one's own machine, over real
// HTTP, held in memory: the registry that the tests and "galley demo" pull from.
// It can ask for basic or bearer credentials, count what it is asked, and have
// faults put in front of it.
//
// It refuses to be a registry for anything else: it speaks plain HTTP, keeps
// nothing on disk and forgets everything on Close.
package localregistry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

// maxLogged bounds the requests that are remembered one by one.
const maxLogged = 20_000

// Registry is a running registry. Its methods may be called from any goroutine.
type Registry struct {
	// Addr is the address it listens on, "127.0.0.1:port" unless WithAddr said
	// otherwise; it is the host of every reference to an image in it.
	Addr string

	store  http.Handler
	server *http.Server
	auth   *authority
	done   chan struct{}

	mu       sync.Mutex
	methods  map[string]int
	requests []string
}

type settings struct {
	addr    string
	auth    *authority
	wraps   []func(http.Handler) http.Handler
	logDest io.Writer
}

// Option changes how Start makes a Registry.
type Option func(*settings)

// WithAddr listens on host:port instead of a free loopback port; port 0 takes a
// free one. Anyone who can reach that address can push and pull.
func WithAddr(addr string) Option {
	return func(s *settings) { s.addr = addr }
}

// WithBasicAuth asks every request for these credentials (RFC 7617).
func WithBasicAuth(user, password string) Option {
	return func(s *settings) { s.auth = newAuthority("basic", user, password) }
}

// WithBearer asks every request for a token, handed out at /token of the same
// address for these credentials (the distribution token specification). With
// an empty user anybody is given a token, as on public registries.
func WithBearer(user, password string) Option {
	return func(s *settings) { s.auth = newAuthority("bearer", user, password) }
}

// WithHandler puts a handler in front of the registry, to inject faults. The
// last one given is the outermost; all of them come before credentials are
// asked for and after the request was counted. Push goes round them.
func WithHandler(wrap func(http.Handler) http.Handler) Option {
	return func(s *settings) { s.wraps = append(s.wraps, wrap) }
}

// WithLog writes one line for each request to w.
func WithLog(w io.Writer) Option {
	return func(s *settings) { s.logDest = w }
}

// Start listens and serves until Close.
func Start(opts ...Option) (*Registry, error) {
	set := settings{addr: "127.0.0.1:0", logDest: io.Discard}
	for _, opt := range opts {
		opt(&set)
	}
	listener, err := net.Listen("tcp", set.addr)
	if err != nil {
		return nil, fmt.Errorf("starting the local registry: %w", err)
	}
	r := &Registry{
		Addr:    listener.Addr().String(),
		store:   registry.New(registry.Logger(log.New(set.logDest, "registry: ", 0))),
		auth:    set.auth,
		done:    make(chan struct{}),
		methods: map[string]int{},
	}
	r.server = &http.Server{
		Handler:           r.count(chain(set, r.store)),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	go func() {
		defer close(r.done)
		if err := r.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.New(set.logDest, "registry: ", 0).Printf("serving: %v", err)
		}
	}()
	return r, nil
}

// chain is the registry as it is served: faults, then credentials, then images.
func chain(set settings, store http.Handler) http.Handler {
	h := store
	if set.auth != nil {
		h = set.auth.guard(h)
	}
	for _, wrap := range set.wraps {
		h = wrap(h)
	}
	return h
}

// Close stops listening and cuts every connection.
func (r *Registry) Close() error {
	err := r.server.Close()
	<-r.done
	if err != nil {
		return fmt.Errorf("stopping the local registry: %w", err)
	}
	return nil
}

// Shutdown stops listening, and waits for requests in flight until ctx ends.
func (r *Registry) Shutdown(ctx context.Context) error {
	if err := r.server.Shutdown(ctx); err != nil {
		return fmt.Errorf("stopping the local registry: %w", err)
	}
	<-r.done
	return nil
}

func (r *Registry) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.methods[req.Method]++
		if len(r.requests) < maxLogged {
			r.requests = append(r.requests, req.Method+" "+req.URL.Path)
		}
		r.mu.Unlock()
		next.ServeHTTP(w, req)
	})
}

// Count is how many requests of the method came in over HTTP since Start or
// ResetCount, pings and tokens among them.
func (r *Registry) Count(method string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.methods[method]
}

// Requests is what came in over HTTP since Start or ResetCount, as "GET /v2/",
// in order of arrival; the first 20,000.
func (r *Registry) Requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.requests...)
}

// ResetCount starts the counting afresh.
func (r *Registry) ResetCount() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.methods, r.requests = map[string]int{}, nil
}

// ExpireTokens makes every bearer token that was handed out worthless.
func (r *Registry) ExpireTokens() {
	if r.auth != nil {
		r.auth.expire()
	}
}
