package catalogue

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galley-coop/galley/internal/localregistry"
	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/registry"
)

// manifestFault is a registry whose manifests have a fault; false leaves the
// request to the registry.
func manifestFault(fault func(w http.ResponseWriter, req *http.Request) bool) localregistry.Option {
	return localregistry.WithHandler(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if !strings.Contains(req.URL.Path, "/manifests/") || !fault(w, req) {
				next.ServeHTTP(w, req)
			}
		})
	})
}

func answers(status int, header ...string) localregistry.Option {
	return manifestFault(func(w http.ResponseWriter, _ *http.Request) bool {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		return true
	})
}

func sendsAll(mediaType, text string) localregistry.Option {
	return manifestFault(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", mediaType)
		_, _ = io.WriteString(w, text)
		return true
	})
}

const indexType = "application/vnd.oci.image.index.v1+json"

// begun sends a beginning of what is asked for, and tells that more comes.
func begun(w http.ResponseWriter, req *http.Request) bool {
	if req.Method != http.MethodGet {
		return false
	}
	w.Header().Set("Content-Type", indexType)
	w.Header().Set("Content-Length", "1000")
	_, _ = io.WriteString(w, "{")
	_ = http.NewResponseController(w).Flush()
	return true
}

// badRegistries are the faults by their names in the issue, and what the report
// says of a version whose image is there.
var badRegistries = []struct {
	name, reason string
	option       localregistry.Option
}{
	{"401", "wants other credentials (401)", answers(401)},
	{"403", "does not allow it (403)", answers(403)},
	{"404", "does not have it (404)", answers(404)},
	{"429-with-retry-after", "limits the rate of requests for another 10m0s (429)", answers(429, "Retry-After", "600")},
	{"429-without-retry-after", "limits the rate of requests (429)", answers(429)},
	{"500", "is not working (500)", answers(500)},
	{"503", "is not working (503)", answers(503)},
	{"stall", "did not answer in time", manifestFault(func(_ http.ResponseWriter, req *http.Request) bool {
		<-req.Context().Done()
		return true
	})},
	{"stall-mid-body", "did not answer in time", manifestFault(func(w http.ResponseWriter, req *http.Request) bool {
		if !begun(w, req) {
			return false
		}
		<-req.Context().Done()
		return true
	})},
	{"truncated", "sent an answer that was cut short", manifestFault(begun)},
	{"html", `"text/html", expected`, sendsAll("text/html; charset=utf-8", "<html>Please log in to the wifi</html>")},
	{"wrong-media-type", `sent the media type "application/json"`, sendsAll("application/json", "{}")},
	{"schema-1", "docker's schema 1 only", sendsAll("application/vnd.docker.distribution.manifest.v1+prettyjws", `{"schemaVersion":1}`)},
	{"wrong-digest", "says the tag is sha256:" + zeros, manifestFault(func(w http.ResponseWriter, req *http.Request) bool {
		if req.Method != http.MethodHead {
			return false
		}
		w.Header().Set("Content-Type", indexType)
		w.Header().Set("Content-Length", "500")
		w.Header().Set("Docker-Content-Digest", "sha256:"+zeros)
		return true
	})},
	{"flipped-byte", "sent bytes that are sha256:", localregistry.WithHandler(flipsManifests)},
	{"redirect-loop", "redirects more than 5 times", manifestFault(func(w http.ResponseWriter, req *http.Request) bool {
		http.Redirect(w, req, req.URL.Path+"?token=sesame", http.StatusTemporaryRedirect)
		return true
	})},
}

func flipsManifests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		answer := &keptAnswer{header: http.Header{}, status: http.StatusOK}
		next.ServeHTTP(answer, req)
		data := bytes.Clone(answer.body.Bytes())
		if strings.Contains(req.URL.Path, "/manifests/") && len(data) > 0 {
			data[len(data)/2] ^= 1
		}
		for key, values := range answer.header {
			w.Header()[key] = values
		}
		w.WriteHeader(answer.status)
		_, _ = w.Write(data)
	})
}

// expiredTLS is an https server whose certificate was valid until yesterday.
func expiredTLS(t testing.TB) (host string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	must(t, err)
	yesterday := time.Now().Add(-24 * time.Hour)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: yesterday.Add(-time.Hour), NotAfter: yesterday}
	der, err := x509.CreateCertificate(crand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// TestBuildRegistryFault has one recipe for each fault, in one build: the version
// whose image is there is left out with a true reason, and the next build looks
// again; the version beside it is published.
func TestBuildRegistryFault(t *testing.T) {
	w := newWorld(t)
	reasons := map[string]string{}
	cfg := Config{Name: "Test", Platforms: []registry.Platform{{OS: "linux", Architecture: "arm64"}}}
	add := func(name, host, reason string) {
		r := newRepo(t, "r-"+name)
		r.write("compose.yml", "services:\n  app:\n    image: "+host+"/acme/web:1.0\n")
		r.release("1.0.0+1.0")
		r.write("compose.yml", compose("1.1"))
		r.release("1.1.0+1.1")
		cfg.Sources = append(cfg.Sources, config(r).Sources...)
		reasons["r-"+name] = reason
	}
	for _, bad := range badRegistries {
		reg := localregistry.StartT(t, bad.option)
		reg.PushT(t, "acme/web:1.0", localregistry.TinyT(t, "web", "linux/amd64", "linux/arm64"))
		add(bad.name, reg.Addr, bad.reason)
	}
	amd := localregistry.StartT(t)
	amd.PushT(t, "acme/web:1.0", localregistry.TinyT(t, "web", "linux/amd64", "linux/riscv64"))
	add("missing-platform", amd.Addr, "has no linux/arm64; it has linux/amd64, linux/riscv64")
	add("expired-certificate", expiredTLS(t), "has a certificate that is not valid today")
	add("connection-refused", "127.0.0.1:1", "127.0.0.1:1")

	resolver := registry.New(registry.Options{
		Rewrites: map[string]string{"docker.io": w.registry.Addr}, Insecure: []string{w.registry.Addr},
		Timeout: 3 * time.Second, Backoff: time.Millisecond,
	})
	defer resolver.Close()
	report, err := Build(t.Context(), cfg, BuildOptions{Output: w.path("build"), Resolver: resolver, Rules: []lint.Rule{refuseRule}, CacheDir: w.path("cache")})
	must(t, err)
	for name, reason := range reasons {
		t.Run(name[2:], func(t *testing.T) {
			got := sourceReport(t, report, name)
			if len(got.Refused) != 1 || got.Refused[0].Version != "1.0.0+1.0" || !strings.Contains(got.Refused[0].Reason, reason) {
				t.Errorf("refused %+v (%s)\nexpected 1.0.0+1.0 with %q", got.Refused, got.Error, reason)
			}
			for _, r := range got.Refused {
				if strings.Contains(r.Reason, "sesame") || strings.Contains(r.Reason, "wifi") || strings.Contains(r.Reason, "\n") {
					t.Errorf("the reason shows what a stranger sent: %q", r.Reason)
				}
			}
			if diff := cmp.Diff([]string{"1.1.0+1.1"}, got.Published); diff != "" {
				t.Error(diff)
			}
		})
	}
	healed := map[string]string{"docker.io": w.registry.Addr}
	for _, s := range cfg.Sources {
		data := gitRepo{t, s.Path}.git("show", "1.0.0+1.0:compose.yml")
		_, image, _ := strings.Cut(data, "image: ")
		host, _, _ := strings.Cut(image, "/")
		healed[host] = w.registry.Addr
	}
	again := registry.New(registry.Options{Rewrites: healed, Insecure: []string{w.registry.Addr}, Timeout: 10 * time.Second})
	defer again.Close()
	report, err = Build(t.Context(), cfg, BuildOptions{Output: w.path("build"), Resolver: again, Rules: []lint.Rule{refuseRule}, CacheDir: w.path("cache")})
	must(t, err)
	if report.Refused > 0 || report.New != len(reasons) {
		t.Errorf("when the registries work again: %d new, %d refused", report.New, report.Refused)
	}
}
