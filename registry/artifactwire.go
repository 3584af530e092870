package registry

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// slowest is how many bytes a second a blob must move at least.
	slowest = 64 << 10
	// unknownSize is what an answer without a length is allowed time for.
	unknownSize = 64 << 20
)

// artifactWire is the http.RoundTripper of Artifacts. Blobs may be large, so
// their bodies are not held in memory as those of manifests are: they stream,
// with a deadline that grows with their length and the digest compared at the
// end. Everything else goes through the Resolver's wire.
type artifactWire struct {
	inner    *wire
	slots    chan struct{}
	requests atomic.Int64

	mu    sync.Mutex
	until time.Time // the host wants to be left alone
}

func newArtifactWire(inner *wire, slots int) *artifactWire {
	return &artifactWire{inner: inner, slots: make(chan struct{}, slots)}
}

// RoundTrip is http.RoundTripper.
func (w *artifactWire) RoundTrip(req *http.Request) (*http.Response, error) {
	if !isPing(req) {
		w.requests.Add(1)
	}
	first, hops := origin(req)
	if documentKind(first) != blobs && first.Method != http.MethodPatch {
		return w.inner.RoundTrip(req)
	}
	if req.Body != nil {
		defer req.Body.Close()
	}
	switch {
	case hops > maxRedirects:
		return nil, badAnswer("redirects more than %d times", maxRedirects)
	case first.URL.Scheme == "https" && req.URL.Scheme != "https":
		return nil, badAnswer("redirects from https to %s", req.URL.Scheme)
	}
	return w.send(req, wantedDigest(first))
}

// send tries until there is an answer that another try would not better. An
// upload that broke cannot go on from here: its whole begins anew, by PushBlob.
func (w *artifactWire) send(req *http.Request, digest string) (*http.Response, error) {
	for try := 1; ; try++ {
		resp, err := w.once(req, digest)
		wait, again := backoffFor(w.inner.backoff, try), try < tries && repeatable(req)
		limited := err == nil && asksToWait(resp)
		if limited {
			after := retryAfter(resp.Header.Get("Retry-After"), time.Now())
			wait = cmp.Or(after, wait)
			w.hold(req.URL.Host, after)
		}
		if again && (limited || req.Method != http.MethodPatch && worthAnother(req.Context(), resp, err)) && fits(req.Context(), wait) {
			if err := sleep(req.Context(), wait); err != nil {
				return nil, err
			}
			continue
		}
		if limited && resp.StatusCode == http.StatusTooManyRequests {
			return nil, &limitError{after: retryAfter(resp.Header.Get("Retry-After"), time.Now()), status: resp.StatusCode}
		}
		return resp, err
	}
}

// hold keeps further requests to the host back, those of the inner wire too.
func (w *artifactWire) hold(host string, d time.Duration) {
	w.inner.gate(host).closeFor(d)
	w.mu.Lock()
	defer w.mu.Unlock()
	if until := time.Now().Add(d); until.After(w.until) {
		w.until = until
	}
}

// enter waits for a slot, and until the host may be asked.
func (w *artifactWire) enter(ctx context.Context) error {
	for {
		w.mu.Lock()
		wait := time.Until(w.until)
		w.mu.Unlock()
		if wait <= 0 {
			break
		}
		if !fits(ctx, wait) {
			return &limitError{after: wait}
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
	select {
	case w.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// once sends a request one time. The slot is free again when the body is closed;
// of all but a blob it is read here, and short.
func (w *artifactWire) once(req *http.Request, digest string) (*http.Response, error) {
	if err := w.enter(req.Context()); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	timer := time.AfterFunc(w.allowance(req.ContentLength), func() { cancel(errTryTimeout) })
	body := &blobBody{ctx: ctx, given: req.Context(), done: sync.OnceFunc(func() {
		timer.Stop()
		cancel(nil)
		<-w.slots
	})}
	resp, err := w.exchange(req.Clone(ctx), req.GetBody)
	if err != nil {
		defer body.done()
		return nil, body.reason(err)
	}
	resp.Request = req // what redirects are counted by
	if req.Method != http.MethodGet || resp.StatusCode != http.StatusOK {
		defer body.done()
		if err := buffer(resp); err != nil {
			return nil, body.reason(err)
		}
		return resp, nil
	}
	timer.Reset(w.allowance(cmp.Or(max(resp.ContentLength, 0), unknownSize)))
	body.inner, body.sum, body.want, body.left = resp.Body, sha256.New(), digest, resp.ContentLength
	resp.Body = body
	return resp, nil
}

func (w *artifactWire) exchange(sent *http.Request, again func() (io.ReadCloser, error)) (*http.Response, error) {
	if again != nil {
		body, err := again()
		if err != nil {
			return nil, err
		}
		sent.Body = body
	}
	return w.inner.base.RoundTrip(sent)
}

// allowance is the time for so many bytes.
func (w *artifactWire) allowance(bytes int64) time.Duration {
	return w.inner.timeout + time.Duration(max(bytes, 0)/slowest)*time.Second
}

// blobBody is a blob while it comes in.
type blobBody struct {
	inner      io.ReadCloser
	ctx, given context.Context // of this try, and of the request: a reader has no other place for them
	done       func()
	sum        hash.Hash
	want       string // digest
	left       int64  // bytes to come, less than 0 when unknown
}

// Read is io.Reader. The last bytes come with an error when they do not make up
// what was asked for.
func (b *blobBody) Read(p []byte) (int, error) {
	n, err := b.inner.Read(p)
	b.sum.Write(p[:n])
	known := b.left >= 0
	b.left -= int64(n)
	if err == io.EOF || known && b.left == 0 {
		if got := "sha256:" + hex.EncodeToString(b.sum.Sum(nil)); b.want != "" && got != b.want {
			return n, badDigest("sent bytes that are %s when asked for %s", got, b.want)
		}
		return n, err
	}
	return n, b.reason(err)
}

// Close is io.Closer.
func (b *blobBody) Close() error {
	defer b.done()
	return b.inner.Close()
}

// reason tells a try that took too long from a caller who gave up.
func (b *blobBody) reason(err error) error {
	if err != nil && context.Cause(b.ctx) == errTryTimeout && b.given.Err() == nil {
		return errTryTimeout
	}
	return err
}
