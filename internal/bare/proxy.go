package bare

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// proxy is an HTTP proxy for the machines' apt: plain requests, which mirrors are asked
// with, and CONNECT for those behind TLS. Packages that one machine got the next gets
// from memory.
type proxy struct {
	server    *http.Server
	transport *http.Transport
	url       string

	mu   sync.Mutex
	kept map[string]kept
	size int
}

// kept is an answer that is the same for everybody.
type kept struct {
	header http.Header
	body   []byte
}

const (
	// maxKept bounds what the proxy remembers, in bytes, and maxKeptOne one answer.
	maxKept    = 256 << 20
	maxKeptOne = 64 << 20
)

// startProxy serves at addr. up is the proxy of the host's own apt, "" for what the
// environment says.
func startProxy(addr, up string) (*proxy, error) {
	p := &proxy{kept: map[string]kept{}, transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, ResponseHeaderTimeout: time.Minute, MaxIdleConnsPerHost: 8, DisableCompression: true,
	}}
	if up != "" {
		u, err := url.Parse(up)
		if err != nil {
			return nil, errors.New("the proxy of this machine's apt has an address that cannot be read")
		}
		p.transport.Proxy = http.ProxyURL(u)
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("starting the machines' proxy: %w", err)
	}
	p.url = "http://" + listener.Addr().String()
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = p.server.Serve(listener) }() // until close
	return p, nil
}

func (p *proxy) close() error {
	p.transport.CloseIdleConnections()
	return p.server.Close()
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodConnect {
		tunnel(w, r)
		return
	}
	if !r.URL.IsAbs() {
		http.Error(w, "this is a proxy", http.StatusBadRequest)
		return
	}
	if k, ok := p.remembered(r); ok {
		copyHeader(w.Header(), k.header)
		_, _ = w.Write(k.body)
		return
	}
	p.forward(w, r)
}

func (p *proxy) remembered(r *http.Request) (kept, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k, ok := p.kept[r.URL.String()]
	return k, ok && r.Method == http.MethodGet && r.Header.Get("Range") == ""
}

func (p *proxy) forward(w http.ResponseWriter, r *http.Request) {
	out := r.Clone(r.Context())
	out.RequestURI = ""
	out.Header.Del("Proxy-Connection")
	answer, err := p.transport.RoundTrip(out)
	if err != nil {
		http.Error(w, "the mirror does not answer", http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	copyHeader(w.Header(), answer.Header)
	w.WriteHeader(answer.StatusCode)
	if r.Method != http.MethodGet || answer.StatusCode != http.StatusOK || !strings.HasSuffix(r.URL.Path, ".deb") ||
		answer.ContentLength <= 0 || answer.ContentLength > maxKeptOne {
		_, _ = io.Copy(w, answer.Body)
		return
	}
	body := make([]byte, 0, answer.ContentLength)
	into := &growing{body}
	if n, err := io.Copy(io.MultiWriter(w, into), answer.Body); err == nil && n == answer.ContentLength {
		p.keep(r.URL.String(), kept{answer.Header, into.body})
	}
}

type growing struct{ body []byte }

func (g *growing) Write(b []byte) (int, error) {
	g.body = append(g.body, b...)
	return len(b), nil
}

func (p *proxy) keep(name string, k kept) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, has := p.kept[name]; has || p.size+len(k.body) > maxKept {
		return
	}
	p.kept[name] = k
	p.size += len(k.body)
}

func copyHeader(to, from http.Header) {
	for name, values := range from {
		to[name] = values
	}
}

// tunnel joins a client with a server that it talks TLS to.
func tunnel(w http.ResponseWriter, r *http.Request) {
	dialer := net.Dialer{Timeout: 15 * time.Second}
	ctx, cancel := context.WithTimeout(r.Context(), 15*time.Second)
	defer cancel()
	server, err := dialer.DialContext(ctx, "tcp", r.Host)
	if err != nil {
		http.Error(w, "the mirror does not answer", http.StatusBadGateway)
		return
	}
	defer server.Close()
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer client.Close()
	if _, err := io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(server, buffered)
		if c, ok := server.(*net.TCPConn); ok {
			_ = c.CloseWrite()
		}
	}()
	_, _ = io.Copy(client, server)
	_ = client.Close()
	<-done
}
