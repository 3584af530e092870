package registry

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxDocument  = 4 << 20 // bytes of a manifest, a config or a token
	maxRedirects = 5
	maxHeader    = 256 << 10
)

// errTryTimeout tells a try that took too long from a caller's deadline.
var errTryTimeout = errors.New("no answer in time")

// wire is the http.RoundTripper below ggcr: the one place where requests leave
// galley. It bounds, retries, counts and verifies them, and it reads every body
// to its end, so that a slot is free again when RoundTrip returns.
type wire struct {
	base    *http.Transport
	timeout time.Duration // of one try, body included
	backoff time.Duration // before the second try
	perHost int
	pings   pings
	budget  budget

	mu    sync.Mutex
	gates map[string]*gate

	heads, gets, auths, retries atomic.Int64
}

func newWire(timeout, backoff time.Duration, perHost int, most int64) *wire {
	return &wire{
		base: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: min(timeout, 15*time.Second)}).DialContext,
			ForceAttemptHTTP2:      true,
			TLSHandshakeTimeout:    min(timeout, 15*time.Second),
			ResponseHeaderTimeout:  timeout,
			MaxResponseHeaderBytes: maxHeader,
			MaxIdleConnsPerHost:    perHost,
			IdleConnTimeout:        90 * time.Second,
			// What is hashed is what was sent.
			DisableCompression: true,
		},
		timeout: timeout, backoff: backoff, perHost: perHost, budget: budget{most: most},
		gates: map[string]*gate{},
	}
}

// RoundTrip is http.RoundTripper.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer req.Body.Close()
	}
	first, hops := origin(req)
	if hops > maxRedirects {
		return nil, badAnswer("redirects more than %d times", maxRedirects)
	}
	if first.URL.Scheme == "https" && req.URL.Scheme != "https" {
		return nil, badAnswer("redirects from https to %s", req.URL.Scheme)
	}
	if isPing(req) {
		return w.pings.do(req, w.send)
	}
	if shared, ok := req.Context().Value(batchKey{}).(*batch); ok && hops == 0 && isToken(req) {
		return shared.do(req, w.judged)
	}
	return w.judged(req)
}

// judged sends a request and refuses an answer that must not be used.
func (w *wire) judged(req *http.Request) (*http.Response, error) {
	resp, err := w.send(req)
	if err != nil {
		return nil, err
	}
	first, _ := origin(req)
	if err := judge(first, resp); err != nil {
		return nil, err
	}
	return resp, nil
}

// origin is the request that redirects started from, and their number.
func origin(req *http.Request) (first *http.Request, hops int) {
	first = req
	for first.Response != nil && first.Response.Request != nil && hops <= maxRedirects {
		first, hops = first.Response.Request, hops+1
	}
	return first, hops
}

// send tries a request until it has an answer that another try would not
// better.
func (w *wire) send(req *http.Request) (*http.Response, error) {
	for try := 1; ; try++ {
		resp, err := w.once(req)
		wait, again, err := w.next(req, resp, err, try)
		if !again {
			return resp, err
		}
		if err := sleep(req.Context(), wait); err != nil {
			return nil, err
		}
		w.retries.Add(1)
	}
}

// next decides, after a try, whether and when there is another. A wait that
// would outlast the context is not begun: the answer at hand counts.
func (w *wire) next(req *http.Request, resp *http.Response, err error, try int) (time.Duration, bool, error) {
	ctx, wait := req.Context(), backoffFor(w.backoff, try)
	more := try < tries && repeatable(req)
	if err != nil || !asksToWait(resp) {
		return wait, more && worthAnother(ctx, resp, err) && fits(ctx, wait), err
	}
	after := retryAfter(resp.Header.Get("Retry-After"), time.Now())
	if q, ok := readQuota(resp.Header, time.Now()); ok && after == 0 {
		after = q.wait()
	}
	wait = cmp.Or(after, wait)
	again := more && fits(ctx, wait)
	if again || after > 0 {
		w.gate(req.URL.Host).closeFor(wait)
	}
	switch {
	case again:
		return wait, true, nil
	case after == 0 && !more:
		// It does not say for how long, and waiting did not help.
		w.gate(req.URL.Host).closeFor(untold)
	}
	return 0, false, &limitError{after: after, status: resp.StatusCode}
}

// repeatable tells whether a request's body, if any, can be sent again.
func repeatable(req *http.Request) bool {
	return req.Body == nil || req.Body == http.NoBody || req.GetBody != nil
}

// once sends a request one time and reads the answer to its end.
func (w *wire) once(req *http.Request) (*http.Response, error) {
	first, _ := origin(req)
	pull := documentKind(first) == manifests && req.Method == http.MethodGet
	leave, err := w.gate(req.URL.Host).enter(req.Context(), pull)
	if err != nil {
		return nil, err
	}
	defer leave.back()
	if err := w.budget.take(); err != nil {
		return nil, err
	}
	counting, done := w.counting(req)
	defer done()
	ctx, cancel := context.WithTimeout(counting, w.timeout)
	defer cancel()
	sent := req.Clone(ctx)
	if req.GetBody != nil {
		if sent.Body, err = req.GetBody(); err != nil {
			return nil, err
		}
	}
	resp, err := w.base.RoundTrip(sent)
	if err == nil {
		if q, ok := readQuota(resp.Header, time.Now()); ok {
			leave.hear(q)
		}
		err = buffer(resp)
	}
	if err != nil && ctx.Err() != nil && req.Context().Err() == nil {
		return nil, errTryTimeout
	}
	if err != nil {
		return nil, err
	}
	resp.Request = req // what redirects are counted by
	return resp, nil
}

// buffer reads a body to its end and puts the bytes in its place.
func buffer(resp *http.Response) error {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if brokenOff(err) {
		return &cutError{err}
	}
	if err != nil {
		return err
	}
	if len(body) > maxDocument {
		return badAnswer("sent more than %d MiB", maxDocument>>20)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

// counting counts a request each time it goes out, also when net/http sends it
// once more because a kept connection turned out to be closed. Done gives the
// budget back what was not sent after all.
func (w *wire) counting(req *http.Request) (ctx context.Context, done func()) {
	counter := &w.gets
	first, _ := origin(req)
	switch {
	case documentKind(first) == "":
		counter = &w.auths
	case req.Method == http.MethodHead:
		counter = &w.heads
	}
	var sent atomic.Int64
	ctx = httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		WroteHeaders: func() {
			counter.Add(1)
			if sent.Add(1) > 1 {
				w.budget.spent.Add(1)
			}
		},
	})
	return ctx, func() {
		if sent.CompareAndSwap(0, 1) {
			w.budget.spent.Add(-1)
		}
	}
}

func (w *wire) gate(host string) *gate {
	w.mu.Lock()
	defer w.mu.Unlock()
	g, ok := w.gates[host]
	if !ok {
		g = newGate(w.perHost)
		w.gates[host] = g
	}
	return g
}
