package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/internal/localregistry"
)

func TestClassifyShowsNothingItDoesNotKnow(t *testing.T) {
	const secret = "token=sesame"
	wrapped := func(err error) error {
		return &url.Error{Op: "Get", URL: "https://registry.example.org/v2/?" + secret, Err: err}
	}
	tests := []struct {
		err  error
		kind ErrorKind
		text string
	}{
		{wrapped(&net.DNSError{Err: "no such host", Name: "nowhere.example.org"}), Unreachable, "lookup nowhere.example.org: no such host"},
		{wrapped(x509.UnknownAuthorityError{}), Unreachable, "certificate that is not trusted"},
		{wrapped(x509.HostnameError{Certificate: &x509.Certificate{}}), Unreachable, "certificate for another host"},
		{wrapped(x509.CertificateInvalidError{Reason: x509.NotAuthorizedToSign}), Unreachable, "certificate that is not valid"},
		{wrapped(http.ErrSchemeMismatch), Unreachable, "does not speak https"},
		{wrapped(&net.OpError{Op: "dial", Err: errors.New("no route to host")}), Unreachable, "cannot be reached: dial: no route to host"},
		{wrapped(context.DeadlineExceeded), Timeout, "did not answer in time"},
		{wrapped(fmt.Errorf("SSRF protection: %s", secret)), BadAnswer, "redirects to a private address"},
		{fmt.Errorf("no token in bearer response:\n{%q}", secret), BadAnswer, "an answer that is not understood"},
	}
	for _, tt := range tests {
		got := classify(tt.err)
		if got.Kind != tt.kind || !strings.Contains(got.Error(), tt.text) {
			t.Errorf("%T: %q %v, want %q with %q", tt.err, got.Kind, got, tt.kind, tt.text)
		}
		for err := error(got); err != nil; err = errors.Unwrap(err) {
			if strings.Contains(err.Error(), "sesame") {
				t.Errorf("the secret is in %q", err)
			}
		}
	}
}

// tlsServer is an https registry at an address that has no way back to HTTP.
func tlsServer(t *testing.T, handler http.Handler, certs ...tls.Certificate) (host string, roots *tls.Config) {
	t.Helper()
	listener, err := net.Listen("tcp", strangerAddr(t))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	_ = server.Listener.Close()
	server.Listener = listener
	server.TLS = &tls.Config{Certificates: certs}
	server.StartTLS()
	t.Cleanup(server.Close)
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return listener.Addr().String(), &tls.Config{RootCAs: pool, ServerName: "example.com"}
}

func TestCertificates(t *testing.T) {
	host, roots := tlsServer(t, http.NotFoundHandler())
	tests := []struct {
		config *tls.Config
		kind   ErrorKind
		text   string
	}{
		{nil, Unreachable, "a certificate for another host"},
		{&tls.Config{ServerName: "example.com"}, Unreachable, "a certificate that is not trusted"},
		{roots, BadAnswer, "is no registry: it answers GET /v2/ with 404"},
	}
	for _, tt := range tests {
		r := resolverFor(t, nil)
		r.wire.base.TLSClientConfig = tt.config
		_, err := r.Resolve(t.Context(), host+"/web:1")
		wantError(t, err, tt.kind, fault.Unavailable)
		if !strings.Contains(err.Error(), tt.text) {
			t.Errorf("text %q, want %q in it", err, tt.text)
		}
	}
}

func TestRedirectsThatAreNotFollowed(t *testing.T) {
	plain := localregistry.StartT(t)
	to := "http://" + plain.Addr + "/secret"
	host, roots := tlsServer(t, http.RedirectHandler(to, http.StatusFound))
	r := resolverFor(t, nil)
	r.wire.base.TLSClientConfig = roots
	_, err := r.Resolve(t.Context(), host+"/web:1")
	wantError(t, err, BadAnswer, fault.Unavailable)
	if !strings.Contains(err.Error(), "from https to http") {
		t.Errorf("text %q, want that https is not left", err)
	}

	away := localregistry.StartT(t, spoil(func(w http.ResponseWriter, req *http.Request) bool {
		http.Redirect(w, req, "http://169.254.169.254/latest", http.StatusFound)
		return true
	}))
	_, err = resolverFor(t, nil).Resolve(t.Context(), away.Addr+"/web:1")
	wantError(t, err, BadAnswer, fault.Unavailable)
	if !strings.Contains(err.Error(), "private address") {
		t.Errorf("text %q, want that a private address is not followed", err)
	}
	if n := len(plain.Requests()); n != 0 {
		t.Errorf("%d requests reached the plain server", n)
	}
}

// locked is a keychain that waits for a human.
type locked struct{}

func (locked) Resolve(authn.Resource) (authn.Authenticator, error) { select {} }

func TestCredentialHelperThatHangs(t *testing.T) {
	reg := localregistry.StartT(t)
	r := resolverFor(t, func(o *Options) { o.Keychain = locked{} })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := r.Resolve(ctx, reg.Addr+"/web:1")
	wantError(t, err, Credentials, fault.Unavailable)
}

func TestMessagesNameDockerHub(t *testing.T) {
	r := resolverFor(t, nil)
	ref, err := ParseReference("nginx:1.2")
	if err != nil {
		t.Fatal(err)
	}
	repo, err := r.repository(ref)
	if err != nil {
		t.Fatal(err)
	}
	got := explain(t.Context(), hostName(repo), ref, &limitError{after: 90 * time.Second, status: http.StatusTooManyRequests})
	want := `resolving "nginx:1.2": registry "docker.io" limits the rate of requests for another 1m30s (429)`
	if got.Error() != want {
		t.Errorf("text %q, want %q", got, want)
	}
	if hint := fault.HintOf(got); hint != `wait 1m30s or log in with "docker login docker.io" for a higher limit, then try "galley registry resolve nginx:1.2"` {
		t.Errorf("hint %q", hint)
	}
}
