package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

const (
	// scopesAtOnce is for how many repositories a token is asked. Tokens grow
	// with it, and servers bound the headers that they travel in, many at 8 KiB.
	scopesAtOnce = 8
	// maxRejected is how many repositories may turn a shared token away before
	// each has its own.
	maxRejected = 3
	// leastLife is how long a token is good for that says nothing of it.
	leastLife = 60 * time.Second
	// tokenSlack is what a shared token must still be good for when it is handed on.
	tokenSlack = 15 * time.Second
)

// batch asks for the tokens of several repositories of one host with one
// request, as the distribution token specification provides for: scope may be
// given more than once, and a service that grants less than all still answers
// with a token. ggcr asks for one repository at a time and is answered from what
// came. A service that fails on several scopes, or whose tokens are then turned
// away, is asked for one at a time, as if there were no batch.
//
// A batch belongs to one call of ResolveAll or CheckAll, and travels in its
// context.
type batch struct {
	mu       sync.Mutex
	waiting  []string          // scopes that nobody asked for yet
	got      map[string]*grant // for scopes that did not ask yet
	handed   map[string]*grant // for scopes that have theirs
	rejected int
}

// grant is the answer to one request for several scopes.
type grant struct {
	done  chan struct{} // closed when the rest is set
	key   string        // what was asked, but for the scopes
	body  []byte        // nil: it failed
	until time.Time
}

type batchKey struct{}

func withBatch(ctx context.Context, b *batch) context.Context {
	if b == nil {
		return ctx
	}
	return context.WithValue(ctx, batchKey{}, b)
}

// batches gives the references of each host their batch.
func (r *Resolver) batches(refs map[string][]string) map[string]*batch {
	byRef, byHost := map[string]*batch{}, map[string]*batch{}
	seen := map[string]bool{}
	for _, keys := range refs {
		for _, ref := range keys {
			_, repo, err := r.target(ref)
			if err != nil {
				continue
			}
			b := byHost[repo.RegistryStr()]
			if b == nil {
				b = &batch{got: map[string]*grant{}, handed: map[string]*grant{}}
				byHost[repo.RegistryStr()] = b
			}
			byRef[ref] = b
			if !seen[repo.Name()] {
				seen[repo.Name()] = true
				b.waiting = append(b.waiting, repo.Scope(transport.PullScope))
			}
		}
	}
	return byRef
}

// do answers a request for a token.
func (b *batch) do(req *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	query := req.URL.Query()
	if len(query["scope"]) != 1 {
		return send(req)
	}
	scope := query["scope"][0]
	found, others := b.take(scope, grantKey(req, query))
	if found == nil {
		return send(req)
	}
	if len(others) > 0 {
		b.ask(req, query, found, append([]string{scope}, others...), send)
	}
	select {
	case <-found.done:
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
	if found.body == nil || time.Until(found.until) < tokenSlack {
		return send(req)
	}
	return found.answer(req), nil
}

// take finds the grant that a scope is in. With others it is a new one, to be
// asked for; without a grant the scope is asked for alone.
func (b *batch) take(scope, key string) (found *grant, others []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if old := b.handed[scope]; old != nil && time.Until(old.until) > 0 {
		b.rejected++ // why else would it be asked for again?
	}
	if b.handed[scope] != nil || b.rejected >= maxRejected {
		delete(b.handed, scope)
		return nil, nil
	}
	if found = b.got[scope]; found != nil {
		delete(b.got, scope)
		b.handed[scope] = found
		if found.key != key {
			return nil, nil
		}
		return found, nil
	}
	if others = b.next(scope); len(others) == 0 {
		return nil, nil
	}
	found = &grant{done: make(chan struct{}), key: key}
	b.handed[scope] = found
	for _, other := range others {
		b.got[other] = found
	}
	return found, others
}

// next takes scopes that wait, for a request that is about to be made.
func (b *batch) next(scope string) (others []string) {
	for len(b.waiting) > 0 && len(others) < scopesAtOnce-1 {
		if next := b.waiting[0]; next != scope {
			others = append(others, next)
		}
		b.waiting = b.waiting[1:]
	}
	return others
}

// ask sends one request for several scopes. When it fails nothing is shared any
// more.
func (b *batch) ask(req *http.Request, query url.Values, g *grant, scopes []string, send func(*http.Request) (*http.Response, error)) {
	defer close(g.done)
	several := req.Clone(req.Context())
	query["scope"] = scopes
	several.URL.RawQuery = query.Encode()
	body, until := tokenOf(send(several))
	b.mu.Lock()
	defer b.mu.Unlock()
	g.body, g.until = body, until
	if body == nil && req.Context().Err() == nil {
		b.rejected = maxRejected
	}
}

// tokenOf is a token answer and how long it is good for, nil for anything else.
func tokenOf(resp *http.Response, err error) ([]byte, time.Time) {
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, time.Time{}
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, time.Time{}
	}
	var token struct {
		ExpiresIn int64 `json:"expires_in"`
	}
	life := leastLife
	if json.Unmarshal(body, &token) == nil && token.ExpiresIn > 0 {
		life = time.Duration(min(token.ExpiresIn, int64(maxRetryAfter/time.Second))) * time.Second
	}
	return body, time.Now().Add(life)
}

func (g *grant) answer(req *http.Request) *http.Response {
	return &http.Response{
		Status: http.StatusText(http.StatusOK), StatusCode: http.StatusOK,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"application/json"}},
		Body:          io.NopCloser(bytes.NewReader(g.body)),
		ContentLength: int64(len(g.body)),
		Request:       req,
	}
}

// grantKey is what must be the same for two requests to share a token: where it
// is asked for, and with which credentials.
func grantKey(req *http.Request, query url.Values) string {
	rest := url.Values{}
	for name, values := range query {
		if name != "scope" {
			rest[name] = values
		}
	}
	return req.URL.Scheme + "://" + req.URL.Host + req.URL.Path + "?" + rest.Encode() + "\n" + req.Header.Get("Authorization")
}
