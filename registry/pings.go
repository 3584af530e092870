package registry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// pings remembers how each host answered GET /v2/, which ggcr asks again for
// every repository: the answer tells which credentials the host wants, and is
// the same for all of them.
type pings struct {
	mu    sync.Mutex
	hosts map[string]*ping
}

// ping is one host. The turn is held while it is asked, and guards pong: many
// repositories at once ask it once.
type ping struct {
	turn chan struct{}
	pong *pong
}

// pong is what came of a ping: err, or else the answer.
type pong struct {
	until  time.Time // remembered no longer than this; zero: for good
	err    error
	status int
	header http.Header
	body   []byte
}

// isPing tells whether a request is ggcr's question for the kind of credentials.
func isPing(req *http.Request) bool {
	return req.Method == http.MethodGet && req.URL.Path == "/v2/" &&
		req.Response == nil && req.Header.Get("Authorization") == ""
}

func (p *pings) do(req *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	host := p.host(req.URL.Scheme + "://" + req.URL.Host)
	select {
	case host.turn <- struct{}{}:
		defer func() { <-host.turn }()
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
	if host.pong.fresh() {
		return host.pong.answer(req)
	}
	asked := time.Now()
	resp, err := send(req)
	if err != nil {
		host.pong = failed(req.Context(), err, time.Since(asked))
		return nil, err
	}
	if resp.StatusCode == http.StatusNotFound {
		// It would read as if the image were not there.
		host.pong = &pong{err: badAnswer("is no registry: it answers GET /v2/ with 404")}
		return nil, host.pong.err
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusUnauthorized {
		return resp, nil
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	host.pong = &pong{status: resp.StatusCode, header: resp.Header, body: body}
	return host.pong.answer(req)
}

func (p *pings) host(key string) *ping {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hosts == nil {
		p.hosts = map[string]*ping{}
	}
	host, ok := p.hosts[key]
	if !ok {
		host = &ping{turn: make(chan struct{}, 1)}
		p.hosts[key] = host
	}
	return host
}

func (p *pong) fresh() bool {
	return p != nil && (p.until.IsZero() || time.Now().Before(p.until))
}

// failed remembers a failure for as long as it took: a host that is not there
// costs a run one timeout, not one for each of its images. Plain HTTP where
// https was tried does not change at all. That the caller gave up says nothing
// about the host.
func failed(ctx context.Context, err error, took time.Duration) *pong {
	switch {
	case errors.Is(err, http.ErrSchemeMismatch):
		return &pong{err: err}
	case ctx.Err() != nil:
		return nil
	}
	return &pong{err: err, until: time.Now().Add(took)}
}

// answer is the remembered answer as if it had just come.
func (p *pong) answer(req *http.Request) (*http.Response, error) {
	if p.err != nil {
		return nil, p.err
	}
	return &http.Response{
		Status:     http.StatusText(p.status),
		StatusCode: p.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        p.header.Clone(),
		Body:          io.NopCloser(bytes.NewReader(p.body)),
		ContentLength: int64(len(p.body)),
		Request:       req,
	}, nil
}
