package registry

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/galley-coop/galley/internal/localregistry"
)

func TestIdenticalReferencesAreAskedOnce(t *testing.T) {
	reg := localregistry.StartT(t)
	digest := reg.PushT(t, "library/web:1", localregistry.TinyT(t, "web"))
	r := resolverFor(t, func(o *Options) { o.Rewrites = map[string]string{"docker.io": reg.Addr} })
	refs := []string{"web:1", "docker.io/library/web:1", "web:1", "library/web:1", "docker.io/web:1"}

	var reports []string
	results := r.ResolveAll(t.Context(), refs, func(done, total int) {
		reports = append(reports, fmt.Sprint(done, "/", total))
	})
	if len(results) != 4 {
		t.Errorf("%d results, want one for each of 4 spellings", len(results))
	}
	for ref, res := range results {
		if res.Err != nil || res.Image.Digest != digest {
			t.Errorf("%s: %s, %v", ref, res.Image.Digest, res.Err)
		}
	}
	if s := r.Stats(); s.Heads != 1 {
		t.Errorf("%d HEAD requests, want 1", s.Heads)
	}
	if got := strings.Join(reports, " "); got != "1/1" {
		t.Errorf("progress %q, want one report", got)
	}
}

func TestOneFailureDoesNotStopOthers(t *testing.T) {
	reg := localregistry.StartT(t)
	reg.PushT(t, "good:1", localregistry.TinyT(t, "good"))
	refs := []string{reg.Addr + "/good:1", reg.Addr + "/missing:1", "Not A Reference", reg.Addr + "/good", "127.0.0.1:1/nobody:1"}
	results := resolverFor(t, nil).ResolveAll(t.Context(), refs, nil)
	for _, ref := range refs {
		res, ok := results[ref]
		if !ok || (res.Err == nil) != (ref == refs[0]) {
			t.Errorf("%s: present %t, error %v", ref, ok, res.Err)
		}
	}
}

func TestResolveAllOfNothing(t *testing.T) {
	if got := resolverFor(t, nil).ResolveAll(t.Context(), nil, nil); len(got) != 0 {
		t.Errorf("got %v, want nothing", got)
	}
}

// crowd counts requests in flight, and holds the first ones back until as many
// as are allowed are there, and then long enough for one more to come.
type crowd struct {
	mu       sync.Mutex
	now, top int
	want     int
	full     chan struct{}
}

func (c *crowd) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		c.enter()
		select {
		case <-c.full:
			<-time.After(20 * time.Millisecond)
		case <-time.After(10 * time.Second):
		}
		// Counted out before the answer is sent: the client may then send the next.
		c.mu.Lock()
		c.now--
		c.mu.Unlock()
		next.ServeHTTP(w, req)
	})
}

func (c *crowd) enter() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now++
	c.top = max(c.top, c.now)
	if c.now == c.want {
		select {
		case <-c.full:
		default:
			close(c.full)
		}
	}
}

func TestRequestsInFlightAreBoundedForEachHost(t *testing.T) {
	const bound = 3
	counted := &crowd{want: bound, full: make(chan struct{})}
	reg := localregistry.StartT(t, localregistry.WithHandler(func(next http.Handler) http.Handler {
		slow := counted.handler(next)
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Path == "/v2/" { // one alone, before all others
				next.ServeHTTP(w, req)
				return
			}
			slow.ServeHTTP(w, req)
		})
	}))
	var refs []string
	for i := range 12 {
		repo := fmt.Sprintf("web%d:1", i)
		reg.PushT(t, repo, localregistry.TinyT(t, repo, "linux/amd64", "linux/arm64", "linux/386"))
		refs = append(refs, reg.Addr+"/"+repo)
	}
	r := resolverFor(t, func(o *Options) { o.PerHost = bound; o.Timeout = 30 * time.Second })
	for ref, res := range r.ResolveAll(t.Context(), refs, nil) {
		if res.Err != nil {
			t.Errorf("%s: %v", ref, res.Err)
		}
	}
	if counted.top != bound {
		t.Errorf("%d requests in flight at most, want %d", counted.top, bound)
	}
}

func TestOnePingForManyRepositories(t *testing.T) {
	reg := localregistry.StartT(t, localregistry.WithBearer("", ""))
	var refs []string
	for i := range 10 {
		repo := fmt.Sprintf("web%d:1", i)
		reg.PushT(t, repo, localregistry.TinyT(t, repo))
		refs = append(refs, reg.Addr+"/"+repo)
	}
	for ref, res := range resolverFor(t, nil).ResolveAll(t.Context(), refs, nil) {
		if res.Err != nil {
			t.Errorf("%s: %v", ref, res.Err)
		}
	}
	count := map[string]int{}
	for _, line := range reg.Requests() {
		count[line]++
	}
	if count["GET /v2/"] != 1 || count["GET /token"] != 2 {
		t.Errorf("%d pings and %d tokens, want 1 and 2", count["GET /v2/"], count["GET /token"])
	}
}

func TestAnotherCallerGivingUpDoesNotMatter(t *testing.T) {
	asked := make(chan struct{}, 1)
	release := make(chan struct{})
	reg := localregistry.StartT(t, localregistry.WithBearer("", ""),
		localregistry.WithHandler(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if req.URL.Path == "/token" {
					select {
					case asked <- struct{}{}:
					default:
					}
					select {
					case <-release:
					case <-req.Context().Done():
						return
					}
				}
				next.ServeHTTP(w, req)
			})
		}))
	digest := reg.PushT(t, "web:1", localregistry.TinyT(t, "web"))
	r := resolverFor(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var both sync.WaitGroup
	both.Go(func() { _, _ = r.Resolve(ctx, reg.Addr+"/web:1") })
	<-asked // the first caller holds the token exchange
	both.Go(func() {
		img, err := r.Resolve(t.Context(), reg.Addr+"/web:1")
		if err != nil || img.Digest != digest {
			t.Errorf("the patient caller got %s, %v", img.Digest, err)
		}
	})
	cancel()
	close(release)
	both.Wait()
}

// BenchmarkResolveAll resolves 200 references over 50 repositories of one
// registry: cold (nothing known), and warm (everything in the cache folder).
func BenchmarkResolveAll(b *testing.B) {
	reg := localregistry.StartT(b)
	var refs []string
	for i := range 200 {
		repo := fmt.Sprintf("team/app%02d:1.%d", i%50, i/50)
		reg.PushT(b, repo, localregistry.TinyT(b, repo, "linux/amd64", "linux/arm64"))
		refs = append(refs, reg.Addr+"/"+repo)
	}
	run := func(b *testing.B, dir string) Stats {
		r := resolverFor(b, func(o *Options) { o.CacheDir = dir })
		for ref, res := range r.ResolveAll(b.Context(), refs, nil) {
			if res.Err != nil {
				b.Fatalf("%s: %v", ref, res.Err)
			}
		}
		r.Close()
		return r.Stats()
	}
	report := func(b *testing.B, s Stats) {
		b.ReportMetric(float64(s.Heads), "heads/op")
		b.ReportMetric(float64(s.Gets), "gets/op")
		b.ReportMetric(float64(s.Auths), "auths/op")
	}
	b.Run("cold", func(b *testing.B) {
		var s Stats
		for b.Loop() {
			s = run(b, "")
		}
		report(b, s)
	})
	b.Run("warm", func(b *testing.B) {
		dir := b.TempDir()
		run(b, dir)
		var s Stats
		for b.Loop() {
			s = run(b, dir)
		}
		report(b, s)
	})
}
