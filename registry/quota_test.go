package registry

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/internal/localregistry"
)

func TestQuotaFields(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	in := func(d time.Duration) time.Time { return now.Add(d) }
	tests := []struct {
		name   string
		fields string // "Name: value" lines
		want   Quota
		ok     bool
	}{
		{"none", "", Quota{}, false},
		{"docker hub", "ratelimit-limit: 100;w=21600\nratelimit-remaining: 76;w=21600",
			Quota{Limit: 100, Remaining: 76, Window: 6 * time.Hour, Pulls: true}, true},
		{"docker hub, nothing left", "ratelimit-limit: 100;w=21600\nratelimit-remaining: 0;w=21600",
			Quota{Limit: 100, Window: 6 * time.Hour, Pulls: true}, true},
		{"three fields", "RateLimit-Limit: 60\nRateLimit-Remaining: 7\nRateLimit-Reset: 30",
			Quota{Limit: 60, Remaining: 7, Reset: in(30 * time.Second)}, true},
		{"three fields with policies", "RateLimit-Limit: 10, 10;w=1, 50;w=60\nRateLimit-Remaining: 7\nRateLimit-Reset: 1",
			Quota{Limit: 10, Remaining: 7, Reset: in(time.Second)}, true},
		{"reset as a time of day", "RateLimit-Remaining: 1\nRateLimit-Reset: " + strconv.FormatInt(in(time.Minute).Unix(), 10),
			Quota{Limit: -1, Remaining: 1, Reset: in(time.Minute)}, true},
		{"dictionary", "RateLimit: limit=100, remaining=50, reset=5",
			Quota{Limit: 100, Remaining: 50, Reset: in(5 * time.Second)}, true},
		{"items", `RateLimit: "default";r=50;t=30` + "\n" + `RateLimit-Policy: "default";q=100;w=60`,
			Quota{Limit: 100, Remaining: 50, Window: time.Minute, Reset: in(30 * time.Second)}, true},
		{"the tightest of two items", `RateLimit: "a,b;c";r=50;t=30, "day";r=2` + "\n" + `RateLimit-Policy: "a,b;c";q=100;w=60, "day";q=1000;w=86400`,
			Quota{Limit: 1000, Remaining: 2, Window: 24 * time.Hour}, true},
		{"items without a policy", "RateLimit: default; r=3.0; t=9",
			Quota{Limit: -1, Remaining: 3, Reset: in(9 * time.Second)}, true},
		{"a reset far away", "RateLimit-Remaining: 1\nRateLimit-Reset: 999999999",
			Quota{Limit: -1, Remaining: 1, Reset: in(maxRetryAfter)}, true},
		{"words", "RateLimit-Remaining: many", Quota{}, false},
		{"negative", "RateLimit-Remaining: -1", Quota{}, false},
		{"a field that says nothing", `RateLimit: "default"`, Quota{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			header := http.Header{}
			for line := range strings.Lines(tt.fields) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
				header.Add(name, value)
			}
			got, ok := readQuota(header, now)
			if ok != tt.ok || ok && !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, %t, want %+v, %t", got, ok, tt.want, tt.ok)
			}
		})
	}
}

func FuzzQuota(f *testing.F) {
	f.Add(`"default";r=50;t=30`, "100;w=21600", "76;w=21600", "30")
	f.Add("limit=100, remaining=50, reset=5", `"`, ";;,,", "99999999999999999999")
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, item, limit, remaining, reset string) {
		for _, header := range []http.Header{
			{"Ratelimit": {item}, "Ratelimit-Policy": {limit}},
			{"Ratelimit-Limit": {limit}, "Ratelimit-Remaining": {remaining}, "Ratelimit-Reset": {reset}},
		} {
			q, _ := readQuota(header, now)
			if q.Remaining < 0 || q.Limit < -1 || q.Window < 0 || !q.Reset.IsZero() && q.Reset.Before(now) {
				t.Errorf("%v gives %+v", header, q)
			}
		}
	})
}

// counter is a registry with a quota: it says what is left and answers 429 when
// nothing is.
type counter struct {
	pulls bool   // counts manifest GETs alone, and says so as Docker Hub does
	reset string // RateLimit-Reset, "" for none

	mu            sync.Mutex
	left, refused int
}

func (c *counter) option() localregistry.Option {
	return localregistry.WithHandler(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if !c.answered(w, req) {
				next.ServeHTTP(w, req)
			}
		})
	})
}

func (c *counter) answered(w http.ResponseWriter, req *http.Request) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	counted := documentKind(req) != ""
	if c.pulls {
		counted = documentKind(req) == manifests && req.Method == http.MethodGet
	}
	if counted && c.left == 0 {
		c.refused++
		return status(http.StatusTooManyRequests)(w, req)
	}
	if counted {
		c.left--
	}
	suffix := ""
	if c.pulls {
		suffix = ";w=21600"
	}
	w.Header().Set("RateLimit-Limit", "100"+suffix)
	w.Header().Set("RateLimit-Remaining", strconv.Itoa(c.left)+suffix)
	if c.reset != "" {
		w.Header().Set("RateLimit-Reset", c.reset)
	}
	return false
}

func (c *counter) turnedAway() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refused
}

func TestNothingLeftMeansNothingSent(t *testing.T) {
	quota := &counter{left: 3, reset: "600"} // a HEAD and two GETs
	reg := localregistry.StartT(t, quota.option())
	reg.PushT(t, "web:1", localregistry.TinyT(t, "web"))
	r := resolverFor(t, nil)
	resolve(t, r, reg.Addr+"/web:1")
	sent := len(reg.Requests())
	for _, ref := range []string{"/web:1", "/other:1"} {
		_, err := r.Resolve(t.Context(), reg.Addr+ref)
		e := wantError(t, err, RateLimited, fault.Unavailable)
		if e.RetryAfter < 9*time.Minute || e.Status != 0 {
			t.Errorf("retry after %s, status %d, want ten minutes and none", e.RetryAfter, e.Status)
		}
		if want := "limits the rate of requests and leaves none of 100 for another 10m0s"; !strings.HasSuffix(err.Error(), want) {
			t.Errorf("text %q, want %q at its end", err, want)
		}
	}
	if got := len(reg.Requests()); got != sent || quota.turnedAway() != 0 {
		t.Errorf("%d requests more, %d of them turned away, want none", got-sent, quota.turnedAway())
	}
	want := Quota{Host: reg.Addr, Limit: 100}
	got := r.Stats().Quotas
	if len(got) != 1 || got[0].Reset.IsZero() {
		t.Fatalf("quotas %+v, want one with a reset", got)
	}
	got[0].Reset = time.Time{}
	if got[0] != want {
		t.Errorf("quota %+v, want %+v", got[0], want)
	}
}

func TestNearResetIsWaitedFor(t *testing.T) {
	quota := &counter{left: 3, reset: "1"}
	reg := localregistry.StartT(t, quota.option())
	reg.PushT(t, "web:1", localregistry.TinyT(t, "web"))
	r := resolverFor(t, nil)
	resolve(t, r, reg.Addr+"/web:1")
	started := time.Now()
	quota.mu.Lock()
	quota.left = 1
	quota.mu.Unlock()
	resolve(t, r, reg.Addr+"/web:1")
	if took := time.Since(started); took < 800*time.Millisecond || quota.turnedAway() != 0 {
		t.Errorf("took %s with %d turned away, want the second until the reset", took, quota.turnedAway())
	}
}

func TestPullQuotaLetsHeadsThrough(t *testing.T) {
	quota := &counter{left: 1, pulls: true}
	reg := localregistry.StartT(t, quota.option())
	known := reg.PushT(t, "web:1", localregistry.TinyT(t, "web"))
	reg.PushT(t, "new:1", localregistry.TinyT(t, "new"))
	dir := t.TempDir()
	r := resolverFor(t, func(o *Options) { o.CacheDir = dir })
	resolve(t, r, reg.Addr+"/web:1")
	// What is known costs a HEAD, which is not counted; what is new would cost a pull.
	if got := resolve(t, r, reg.Addr+"/web:1"); got.Digest != known {
		t.Errorf("got %s, want %s", got.Digest, known)
	}
	_, err := r.Resolve(t.Context(), reg.Addr+"/new:1")
	e := wantError(t, err, RateLimited, fault.Unavailable)
	if e.RetryAfter != 0 || quota.turnedAway() != 0 {
		t.Errorf("retry after %s, %d turned away: the window tells no time, and nothing was to be sent", e.RetryAfter, quota.turnedAway())
	}
	if got := r.Stats().Quotas[0]; got.Window != 6*time.Hour || !got.Pulls {
		t.Errorf("quota %+v, want one of pulls for six hours", got)
	}
}

func TestLastOfAQuotaIsNotOverdrawn(t *testing.T) {
	quota := &counter{left: 23, reset: "600"}
	reg := localregistry.StartT(t, quota.option(), localregistry.WithLatency(2*time.Millisecond))
	var refs []string
	for i := range 40 {
		name := fmt.Sprintf("web%d:1", i)
		reg.PushT(t, name, localregistry.TinyT(t, name))
		refs = append(refs, reg.Addr+"/"+name)
	}
	r := resolverFor(t, func(o *Options) { o.PerHost = 8 })
	r.ResolveAll(t.Context(), refs[:1], nil) // a quota that nobody told of cannot be kept
	failed := 0
	for _, res := range r.ResolveAll(t.Context(), refs[1:], nil) {
		if res.Err != nil {
			failed++
		}
	}
	// 20 are left, and a reference costs three.
	if failed < 30 || failed == 39 || quota.turnedAway() != 0 {
		t.Errorf("%d of 39 failed, %d requests were turned away, want some and none", failed, quota.turnedAway())
	}
}

func Test429WithoutATimeEndsTheHost(t *testing.T) {
	reg := localregistry.StartT(t, spoil(status(http.StatusTooManyRequests)))
	r := resolverFor(t, nil)
	for _, ref := range []string{"/web:1", "/other:1", "/third:1"} {
		_, err := r.Resolve(t.Context(), reg.Addr+ref)
		wantError(t, err, RateLimited, fault.Unavailable)
	}
	if got := reg.Count(http.MethodHead); got != tries {
		t.Errorf("%d HEAD requests, want the %d of the first reference", got, tries)
	}
}

func TestResetOfA429IsARetryAfter(t *testing.T) {
	reg := localregistry.StartT(t, failFirst(1, status(http.StatusTooManyRequests, "RateLimit", `"default";r=0;t=1`)))
	reg.PushT(t, "web:1", localregistry.TinyT(t, "web"))
	started := time.Now()
	resolve(t, resolverFor(t, nil), reg.Addr+"/web:1")
	if took := time.Since(started); took < 900*time.Millisecond {
		t.Errorf("took %s, want at least the second until the reset", took)
	}
}

func TestBudget(t *testing.T) {
	reg := localregistry.StartT(t, localregistry.WithBearer("", ""))
	var refs []string
	for i := range 10 {
		name := fmt.Sprintf("web%d:1", i)
		reg.PushT(t, name, localregistry.TinyT(t, name))
		refs = append(refs, reg.Addr+"/"+name)
	}
	r := resolverFor(t, func(o *Options) { o.MaxRequests, o.PerHost = 12, 1 })
	over := 0
	for _, res := range r.ResolveAll(t.Context(), refs, nil) {
		if res.Err != nil {
			over++
			wantError(t, res.Err, OverBudget, fault.Unavailable)
			if !errors.Is(res.Err, ErrBudget) {
				t.Errorf("%v is not ErrBudget", res.Err)
			}
		}
	}
	if over == 0 || over == len(refs) {
		t.Errorf("%d of %d are over the budget, want some", over, len(refs))
	}
	if _, err := r.Tags(t.Context(), refs[0]); !errors.Is(err, ErrBudget) {
		t.Errorf("listing tags: %v, want ErrBudget", err)
	}
	if got := len(reg.Requests()); got != 12 {
		t.Errorf("%d requests arrived, want the 12 allowed", got)
	}
	if s := r.Stats(); s.Heads+s.Gets+s.Auths != 12 {
		t.Errorf("%+v does not add up to 12", s)
	}
}
