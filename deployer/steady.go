package deployer

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// steadyTransport sends an engine's requests, and while a deploy is under way sends again
// those that went unanswered, or met no leader: a connection over ssh breaks, and when
// a manager dies it takes 10 to 20 seconds until another leads. A deploy that gave up
// meanwhile could not even put back.
//
// A write that went unanswered may have been carried out all the same. So only those are
// sent again of which a second is refused or does nothing: creations under a name,
// updates from a version, removals by ID. What stands then tells (see made.go).
type steadyTransport struct {
	inner   *http.Transport
	patient atomic.Int32
	roads   *roads
}

const (
	// attemptTimeout is how long an engine may take to begin its answer to a read. A
	// manager whose leader is dead lets it hang for 20 seconds.
	attemptTimeout = 10 * time.Second
	// retryAfter is between two attempts, patience the longest that they go on: it
	// is what a watch grants an engine, too.
	retryAfter = 500 * time.Millisecond
	patience   = unreachableFor
)

// install puts a steadyTransport between a client and its transport. What takes a connection
// over goes past it, by the transport's own dialler.
func install(transport *http.Transport) *steadyTransport {
	s := &steadyTransport{inner: transport.Clone()}
	transport.RegisterProtocol("http", s)
	return s
}

// bePatient makes the engine's requests patient until release is called, or until
// abort, nil for never, ends.
func (e *Engine) bePatient(abort context.Context) (release func()) {
	if e.steady == nil {
		return func() {}
	}
	e.steady.patient.Add(1)
	once := sync.OnceFunc(func() { e.steady.patient.Add(-1) })
	if abort == nil {
		return once
	}
	stop := context.AfterFunc(abort, once)
	return func() { stop(); once() }
}

func (s *steadyTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if s.patient.Load() == 0 {
		return s.inner.RoundTrip(req)
	}
	began := time.Now()
	for {
		resp, err := s.attempt(req)
		if s.patient.Load() == 0 || time.Since(began) > patience || !s.again(req, resp, err) {
			return resp, err
		}
		next, ok := rewound(req)
		if !ok || pause(req.Context(), retryAfter) != nil {
			return resp, err
		}
		if resp != nil {
			_ = resp.Body.Close()
		}
		if flag, ok := req.Context().Value(resentKey{}).(*atomic.Bool); ok {
			flag.Store(true)
		}
		if s.roads.leave() {
			s.inner.CloseIdleConnections()
		}
		req = next
	}
}

// attempt sends a request. One that reads is given up when no answer begins in time.
func (s *steadyTransport) attempt(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodGet {
		return s.inner.RoundTrip(req)
	}
	ctx, cancel := context.WithCancel(req.Context())
	timer := time.AfterFunc(attemptTimeout, cancel)
	resp, err := s.inner.RoundTrip(req.WithContext(ctx))
	timer.Stop()
	if err != nil {
		cancel()
		return nil, err
	}
	resp.Body = &body{resp.Body, cancel}
	return resp, nil
}

// body frees with an answer what bounded the wait for it.
type body struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *body) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// swarmWrites are the requests of which a second is refused or does nothing.
var swarmWrites = regexp.MustCompile(`^(/v[0-9.]+)?/(services|configs|secrets|networks)/[^/]+(/update)?$`)

// again tells whether a request is worth another attempt. A long answer is not looked
// into: it is none about leaders.
func (s *steadyTransport) again(req *http.Request, resp *http.Response, err error) bool {
	reads := req.Method == http.MethodGet || req.Method == http.MethodHead
	if req.Context().Err() != nil {
		return false
	}
	if !reads && !swarmWrites.MatchString(req.URL.Path) {
		return false
	}
	if err != nil {
		return true
	}
	if resp.StatusCode < http.StatusInternalServerError {
		return false
	}
	const most = 4 << 10
	text, readErr := io.ReadAll(io.LimitReader(resp.Body, most))
	resp.Body = &rest{io.MultiReader(bytes.NewReader(text), resp.Body), resp.Body}
	return readErr == nil && isLeaderless(string(text))
}

type rest struct {
	io.Reader
	io.Closer
}

// isLeaderless reads the engine's text: the codes differ between versions. The first
// is of a manager that knows of no leader, the others of one whose leader is gone.
func isLeaderless(text string) bool {
	for _, phrase := range []string{
		"does not have a leader", "context deadline exceeded", "code = Unavailable",
		"Manager is being prepared or has trouble connecting to the cluster",
	} {
		if strings.Contains(text, phrase) {
			return true
		}
	}
	return false
}

// rewound is a copy of a request that can be sent.
func rewound(req *http.Request) (*http.Request, bool) {
	next := req.Clone(req.Context())
	if req.Body == nil || req.Body == http.NoBody {
		return next, true
	}
	if req.GetBody == nil {
		return nil, false
	}
	fresh, err := req.GetBody()
	next.Body = fresh
	return next, err == nil
}
