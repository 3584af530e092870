package registry

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/internal/localregistry"
)

func TestRetryAfterHeader(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tests := map[string]time.Duration{
		"":                              0,
		"soon":                          0,
		"0":                             0,
		"-5":                            0,
		"7":                             7 * time.Second,
		"9223372036854775807":           maxRetryAfter,
		"99999999999999999999":          0,
		"Sun, 01 Mar 2026 12:00:30 GMT": 30 * time.Second,
		"Sun, 01 Mar 2026 11:00:00 GMT": 0,
		"Sun, 01 Mar 2099 12:00:00 GMT": maxRetryAfter,
	}
	for header, want := range tests {
		if got := retryAfter(header, now); got != want {
			t.Errorf("retryAfter(%q) = %s, want %s", header, got, want)
		}
	}
}

// failFirst lets the first n requests for a manifest fail.
func failFirst(n int64, fail func(http.ResponseWriter, *http.Request) bool) localregistry.Option {
	var count atomic.Int64
	return spoil(func(w http.ResponseWriter, req *http.Request) bool {
		return count.Add(1) <= n && fail(w, req)
	})
}

func TestTriedAgain(t *testing.T) {
	tests := map[string]struct {
		fail    func(http.ResponseWriter, *http.Request) bool
		n       int64
		atLeast time.Duration
	}{
		"500 twice":             {status(500), 2, 0},
		"429 without a wait":    {status(429), 2, 0},
		"429 with seconds":      {status(429, "Retry-After", "1"), 1, 900 * time.Millisecond},
		"503 with seconds":      {status(503, "Retry-After", "1"), 1, 900 * time.Millisecond},
		"connection broken off": {func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }, 2, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := localregistry.StartT(t, failFirst(tt.n, tt.fail))
			digest := reg.PushT(t, "web:1", localregistry.TinyT(t, "web"))
			r := resolverFor(t, nil)
			started := time.Now()
			if got := resolve(t, r, reg.Addr+"/web:1"); got.Digest != digest {
				t.Errorf("got %s, want %s", got.Digest, digest)
			}
			if took := time.Since(started); took < tt.atLeast {
				t.Errorf("took %s, want at least %s", took, tt.atLeast)
			}
			// The HEAD, its failed tries, and one GET each for manifest and config.
			if s := r.Stats(); s.Heads != tt.n+1 || s.Gets != 2 {
				t.Errorf("%+v, want %d HEADs and 2 GETs", s, tt.n+1)
			}
			if got := int64(reg.Count(http.MethodHead)); got != tt.n+1 {
				t.Errorf("%d HEADs arrived, want %d", got, tt.n+1)
			}
		})
	}
}

func TestTriesDoNotMultiply(t *testing.T) {
	reg := localregistry.StartT(t, spoil(status(503)))
	_, err := resolverFor(t, nil).Resolve(t.Context(), reg.Addr+"/web:1")
	wantError(t, err, Unreachable, fault.Unavailable)
	if got := reg.Count(http.MethodHead); got != tries {
		t.Errorf("%d HEAD requests, want %d", got, tries)
	}
}

func TestNotFoundIsNotTriedAgain(t *testing.T) {
	reg := localregistry.StartT(t)
	r := resolverFor(t, nil)
	_, err := r.Resolve(t.Context(), reg.Addr+"/web:1")
	e := wantError(t, err, NotFound, fault.Unavailable)
	if s := r.Stats(); s.Retries != 0 || e.Status != http.StatusNotFound {
		t.Errorf("%+v and status %d, want no retry of a 404", s, e.Status)
	}
}

func TestWaitThatDoesNotFitIsNotBegun(t *testing.T) {
	tests := map[string]struct {
		header string
		within time.Duration
	}{
		"longer than the context": {"60", 20 * time.Second},
		"longer than two minutes": {"121", time.Hour},
		"a date far away":         {"Fri, 01 Jan 2100 00:00:00 GMT", time.Hour},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			reg := localregistry.StartT(t, spoil(status(429, "Retry-After", tt.header)))
			r := resolverFor(t, nil)
			ctx, cancel := context.WithTimeout(t.Context(), tt.within)
			defer cancel()
			started := time.Now()
			_, err := r.Resolve(ctx, reg.Addr+"/web:1")
			e := wantError(t, err, RateLimited, fault.Unavailable)
			if e.RetryAfter < 59*time.Second || e.Status != http.StatusTooManyRequests {
				t.Errorf("retry after %s, status %d", e.RetryAfter, e.Status)
			}
			// The host asked to be left alone: the next reference does not ask.
			_, err = r.Resolve(ctx, reg.Addr+"/other:1")
			wantError(t, err, RateLimited, fault.Unavailable)
			if took := time.Since(started); took > 10*time.Second {
				t.Errorf("took %s, want no waiting", took)
			}
			if got := reg.Count(http.MethodHead); got != 1 {
				t.Errorf("%d HEAD requests, want 1", got)
			}
		})
	}
}

func TestWaitForRateLimitCanBeCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	reg := localregistry.StartT(t, spoil(func(w http.ResponseWriter, req *http.Request) bool {
		time.AfterFunc(50*time.Millisecond, cancel)
		return status(429, "Retry-After", "60")(w, req)
	}))
	started := time.Now()
	_, err := resolverFor(t, nil).Resolve(ctx, reg.Addr+"/web:1")
	if !errors.Is(err, context.Canceled) || time.Since(started) > 10*time.Second {
		t.Errorf("after %s: %v, want context.Canceled at once", time.Since(started), err)
	}
}

func TestRateLimitHoldsTheWholeHostBack(t *testing.T) {
	var mu sync.Mutex
	var limited, next time.Time
	reg := localregistry.StartT(t, spoil(func(w http.ResponseWriter, req *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if limited.IsZero() && strings.Contains(req.URL.Path, "/first/") {
			limited = time.Now()
			return status(429, "Retry-After", "1")(w, req)
		}
		if !limited.IsZero() && next.IsZero() {
			next = time.Now()
		}
		return false
	}))
	for _, repo := range []string{"first", "second", "third"} {
		reg.PushT(t, repo+":1", localregistry.TinyT(t, repo))
	}
	r := resolverFor(t, func(o *Options) { o.PerHost = 1 })
	refs := []string{reg.Addr + "/first:1", reg.Addr + "/second:1", reg.Addr + "/third:1"}
	for ref, res := range r.ResolveAll(t.Context(), refs, nil) {
		if res.Err != nil {
			t.Errorf("%s: %v", ref, res.Err)
		}
	}
	if gap := next.Sub(limited); gap < 900*time.Millisecond {
		t.Errorf("the next request came %s after the 429, want a second", gap)
	}
}
