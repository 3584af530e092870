package registry

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/internal/localregistry"
)

// faulty is a registry with something wrong.
type faulty struct {
	host  string
	roots *tls.Config
}

// serve is a registry that has team/web:1 and faults before it.
func serve(opts ...localregistry.Option) func(*testing.T) faulty {
	return func(t *testing.T) faulty {
		reg := localregistry.StartT(t, opts...)
		reg.PushT(t, "team/web:1", localregistry.TinyT(t, "web", "linux/amd64", "linux/arm64"))
		return faulty{host: reg.Addr}
	}
}

// sends answers with these bytes.
func sends(mediaType, body string, header ...string) localregistry.Option {
	return spoil(func(w http.ResponseWriter, req *http.Request) bool {
		w.Header().Set("Content-Type", mediaType)
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		_, _ = io.WriteString(w, body)
		return true
	})
}

// onlyGets spares the HEADs.
func onlyGets(fault func(http.ResponseWriter, *http.Request) bool) localregistry.Option {
	return spoil(func(w http.ResponseWriter, req *http.Request) bool {
		return req.Method == http.MethodGet && fault(w, req)
	})
}

// tokens is a registry whose token service has the fault.
func tokens(fault func(http.ResponseWriter, *http.Request) bool) func(*testing.T) faulty {
	return serve(localregistry.WithBearer("", ""), localregistry.WithHandler(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Path != "/token" || !fault(w, req) {
				next.ServeHTTP(w, req)
			}
		})
	}))
}

func says(body string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		_, _ = io.WriteString(w, body)
		return true
	}
}

// begins sends a beginning of a manifest, of which more is promised.
func begins(w http.ResponseWriter, _ *http.Request) bool {
	w.Header().Set("Content-Type", string(types.OCIImageIndex))
	w.Header().Set("Content-Length", "1000")
	_, _ = io.WriteString(w, "{")
	_ = http.NewResponseController(w).Flush()
	return true
}

// reset cuts the connection with a TCP reset.
func reset(w http.ResponseWriter, _ *http.Request) bool {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
	return true
}

func certified(name string, until time.Duration) func(*testing.T) faulty {
	return func(t *testing.T) faulty {
		host, roots := tlsRegistry(t, name, time.Now().Add(until))
		return faulty{host, roots}
	}
}

const page = "<html>Please log in to the wifi</html>"

// TestFault has each way in which a registry is known to fail, by the name it has
// in docs and in the issue: what is said, how the command ends, and that it ends.
func TestFault(t *testing.T) {
	tests := []struct {
		name  string
		start func(*testing.T) faulty
		kind  ErrorKind
		exit  fault.Kind
		text  string
		hint  string
	}{
		{"401", serve(spoil(status(401))), Unauthorized, fault.Unavailable, "wants other credentials (401)", "docker login"},
		{"403", serve(spoil(status(403))), Unauthorized, fault.Unavailable, "does not allow it (403)", "docker login"},
		{"404", serve(spoil(status(404))), NotFound, fault.Unavailable, "does not have it (404)", "check the image's name and tag"},
		{"404 of the registry itself", func(t *testing.T) faulty {
			reg := localregistry.StartT(t, localregistry.WithHandler(func(http.Handler) http.Handler { return http.NotFoundHandler() }))
			return faulty{host: reg.Addr}
		}, BadAnswer, fault.Unavailable, "is no registry: it answers GET /v2/ with 404", "check that the registry"},
		{"418", serve(spoil(status(418))), BadAnswer, fault.Unavailable, "unexpected status (418)", "check that the registry"},
		{"429 with Retry-After", serve(spoil(status(429, "Retry-After", "600"))), RateLimited, fault.Unavailable, "limits the rate of requests for another 10m0s (429)", "wait 10m0s or log in"},
		{"429 without Retry-After", serve(spoil(status(429))), RateLimited, fault.Unavailable, "limits the rate of requests (429)", "wait a few minutes"},
		{"500", serve(spoil(status(500))), Unreachable, fault.Unavailable, "is not working (500)", "check the registry's name"},
		{"503", serve(spoil(status(503))), Unreachable, fault.Unavailable, "is not working (503)", "check the registry's name"},
		{"503 with Retry-After", serve(spoil(status(503, "Retry-After", "600"))), RateLimited, fault.Unavailable, "asks to be left alone for another 10m0s (503)", "wait 10m0s"},
		{"stall before the answer", serve(spoil(stalled)), Timeout, fault.Unavailable, "did not answer in time", "allow more time"},
		{"stall mid-body", serve(onlyGets(func(w http.ResponseWriter, req *http.Request) bool {
			return begins(w, req) && stalled(w, req)
		})), Timeout, fault.Unavailable, "did not answer in time", "allow more time"},
		{"truncated body", serve(onlyGets(begins)), Unreachable, fault.Unavailable, "sent an answer that was cut short", "check the registry's name"},
		{"truncated answer to a ping", serve(localregistry.WithHandler(func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { begins(w, req) })
		})), Unreachable, fault.Unavailable, "sent an answer that was cut short", "check the registry's name"},
		{"connection closed at a ping", serve(localregistry.WithHandler(func(http.Handler) http.Handler {
			return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		})), Unreachable, fault.Unavailable, "broke the connection off", "check the registry's name"},
		{"truncated body with a right length", serve(altered(func(_ *http.Request, _ http.Header, b []byte) []byte { return b[:len(b)/2] })),
			BadAnswer, fault.Refused, "sent bytes that are sha256:", "check that the registry"},
		{"html", serve(sends("text/html; charset=utf-8", page)), BadAnswer, fault.Unavailable, `"text/html", expected an image index or manifest`, "or a proxy before it"},
		{"html with a digest", serve(sends("text/html", page, "Docker-Content-Digest", digestOfNothing)), BadAnswer, fault.Unavailable, `"text/html", expected`, "or a proxy before it"},
		{"wrong digest header", serve(altered(func(_ *http.Request, h http.Header, b []byte) []byte {
			h.Set("Docker-Content-Digest", digestOfNothing)
			return b
		})), BadAnswer, fault.Refused, "says the tag is " + digestOfNothing + " and does not have that", "check that the registry"},
		{"flipped byte", serve(altered(func(_ *http.Request, _ http.Header, b []byte) []byte {
			if len(b) > 0 {
				b[len(b)/2] ^= 1
			}
			return b
		})), BadAnswer, fault.Refused, "sent bytes that are sha256:", "check that the registry"},
		{"wrong media type", serve(sends("application/json", "{}")), BadAnswer, fault.Unavailable, `sent the media type "application/json", expected an image index or manifest`, "check that the registry"},
		{"schema 1", serve(sends(string(types.DockerManifestSchema1Signed), `{"schemaVersion":1}`)), BadAnswer, fault.Unavailable, "docker's schema 1 only", "check that the registry"},
		{"oversize", serve(altered(func(req *http.Request, _ http.Header, b []byte) []byte {
			if req.Method == http.MethodGet {
				b = append(b, bytes.Repeat([]byte(" "), maxDocument)...)
			}
			return b
		})), BadAnswer, fault.Unavailable, "sent more than 4 MiB", "check that the registry"},
		{"redirect loop", serve(spoil(func(w http.ResponseWriter, req *http.Request) bool {
			http.Redirect(w, req, req.URL.Path+"?token=sesame", http.StatusTemporaryRedirect)
			return true
		})), BadAnswer, fault.Unavailable, "redirects more than 5 times", "check that the registry"},
		{"expired certificate", certified("example.com", -time.Hour), Unreachable, fault.Unavailable, "has a certificate that is not valid today, only from ", "check this machine's clock"},
		{"certificate for another host", certified("other.example.com", time.Hour), Unreachable, fault.Unavailable, "has a certificate for another host", "for which names its certificate is"},
		{"certificate of a stranger", func(t *testing.T) faulty {
			stranger := certified("example.com", time.Hour)(t)
			stranger.roots.RootCAs = x509.NewCertPool()
			return stranger
		}, Unreachable, fault.Unavailable, "has a certificate that is not trusted", "add the authority"},
		{"token service that stalls", tokens(stalled), Timeout, fault.Unavailable, "did not answer in time", "allow more time"},
		{"token service that sends html", tokens(says(page)), BadAnswer, fault.Unavailable, "has a token service that sent something else than a token", "check that the registry"},
		{"token service that sends no token", tokens(says("{}")), BadAnswer, fault.Unavailable, "has a token service that sent no token", "check that the registry"},
		{"token service that is not there", tokens(status(404)), BadAnswer, fault.Unavailable, "names a token service that is not there (404)", "check that the registry"},
		{"token service that is down", tokens(status(503)), Unreachable, fault.Unavailable, "is not working (503)", "check the registry's name"},
		{"connection reset", serve(spoil(reset)), Unreachable, fault.Unavailable, "broke the connection off", "check the registry's name"},
		{"connection closed", serve(spoil(func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) })), Unreachable, fault.Unavailable, "broke the connection off", "check the registry's name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bad := tt.start(t)
			timeout := 10 * time.Second
			if tt.kind == Timeout {
				timeout = 300 * time.Millisecond
			}
			_, err := resolveFaulty(t, bad, timeout)
			e := wantError(t, err, tt.kind, tt.exit)
			if !strings.Contains(err.Error(), tt.text) || !strings.Contains(fault.HintOf(err), tt.hint) {
				t.Errorf("%q\nwith the hint %q\nwant %q\nwith the hint %q", err, fault.HintOf(err), tt.text, tt.hint)
			}
			for _, secret := range []string{"sesame", "wifi"} {
				if strings.Contains(err.Error()+fault.HintOf(err), secret) {
					t.Errorf("%q shows what a stranger sent", err)
				}
			}
			if e.Host != bad.host || e.Reference != bad.host+"/team/web:1" {
				t.Errorf("host %q and reference %q are not those asked for", e.Host, e.Reference)
			}
		})
	}
}

// resolveFaulty must end long before its context does.
func resolveFaulty(t *testing.T, bad faulty, timeout time.Duration) (Image, error) {
	t.Helper()
	r := resolverFor(t, func(o *Options) { o.Timeout = timeout })
	r.wire.base.TLSClientConfig = bad.roots
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	img, err := r.Resolve(ctx, bad.host+"/team/web:1")
	if ctx.Err() != nil {
		t.Fatalf("it hung for a minute: %v", err)
	}
	return img, err
}

// TestFaultOfAnIndex has those that are no error of the registry.
func TestFaultOfAnIndex(t *testing.T) {
	idx := localregistry.TinyT(t, "web", "linux/amd64", "linux/arm64").(v1.ImageIndex)
	attested, err := localregistry.Attested(idx, "provenance")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]localregistry.Manifest{"index without the wanted platform": idx, "index with attestations": attested}
	for name, pushed := range tests {
		t.Run(name, func(t *testing.T) {
			reg := localregistry.StartT(t)
			digest := reg.PushT(t, "team/web:1", pushed)
			img, err := resolveFaulty(t, faulty{host: reg.Addr}, 10*time.Second)
			if err != nil || img.Digest != digest || platforms(img) != "linux/amd64 linux/arm64" {
				t.Fatalf("got %s with %s, %v, want %s with the two platforms", img.Digest, platforms(img), err, digest)
			}
			if child, ok := img.Child(Platform{OS: "linux", Architecture: "riscv64"}); ok {
				t.Errorf("linux/riscv64 is answered with %s", child.Platform)
			}
		})
	}
}

// tlsRegistry is an https server at an address that has no way back to HTTP, with
// a certificate for name until a time.
func tlsRegistry(t *testing.T, name string, until time.Time) (host string, roots *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: until.Add(-24 * time.Hour), NotAfter: until, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	host, _ = tlsServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, page) }),
		tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key})
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return host, &tls.Config{RootCAs: pool, ServerName: "example.com"}
}
