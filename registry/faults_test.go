package registry

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/internal/localregistry"
)

// spoil puts a fault before every request for a manifest. A fault that returns
// false leaves the request to the registry.
func spoil(fault func(w http.ResponseWriter, req *http.Request) bool) localregistry.Option {
	return localregistry.WithHandler(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if !strings.Contains(req.URL.Path, "/manifests/") || !fault(w, req) {
				next.ServeHTTP(w, req)
			}
		})
	})
}

func status(code int, header ...string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		return true
	}
}

// altered lets the registry answer and changes what it says before it is sent.
func altered(change func(req *http.Request, header http.Header, body []byte) []byte) localregistry.Option {
	return localregistry.WithHandler(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			answer := &kept{header: http.Header{}, status: http.StatusOK}
			next.ServeHTTP(answer, req)
			body := answer.body.Bytes()
			if strings.Contains(req.URL.Path, "/manifests/") && answer.status == http.StatusOK {
				body = change(req, answer.header, bytes.Clone(body))
				if req.Method == http.MethodGet && answer.header.Get("Content-Length") != "" {
					answer.header.Set("Content-Length", strconv.Itoa(len(body)))
				}
			}
			for key, values := range answer.header {
				w.Header()[key] = values
			}
			w.WriteHeader(answer.status)
			_, _ = w.Write(body)
		})
	})
}

type kept struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (k *kept) Header() http.Header         { return k.header }
func (k *kept) WriteHeader(status int)      { k.status = status }
func (k *kept) Write(p []byte) (int, error) { return k.body.Write(p) }

// wantError checks all that is promised of an error.
func wantError(t *testing.T, err error, kind ErrorKind, exit fault.Kind) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v (%T), want an *Error", err, err)
	}
	if e.Kind != kind {
		t.Errorf("kind %q, want %q: %v", e.Kind, kind, err)
	}
	if got := fault.KindOf(err); got != exit {
		t.Errorf("fault kind %d, want %d: %v", got, exit, err)
	}
	if strings.ContainsAny(err.Error(), "\n\r") || strings.Contains(err.Error(), "?") {
		t.Errorf("not one line without a query: %q", err)
	}
	if hint := fault.HintOf(err); !strings.Contains(hint, "galley registry resolve "+e.Reference) {
		t.Errorf("hint %q names no next step", hint)
	}
	return e
}

const digestOfNothing = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func TestPinnedDigestIsHeldAgainstBytesAndClaims(t *testing.T) {
	var lie atomic.Value
	lie.Store("")
	reg := localregistry.StartT(t, altered(func(req *http.Request, h http.Header, b []byte) []byte {
		if lie.Load() == "head" && req.Method == http.MethodHead {
			h.Set("Docker-Content-Digest", digestOfNothing)
		}
		if lie.Load() == "body" && req.Method == http.MethodGet {
			b = append(b, '\n')
		}
		return b
	}))
	digest := reg.PushT(t, "web:1", localregistry.TinyT(t, "web"))
	for _, where := range []string{"head", "body"} {
		lie.Store(where)
		_, err := resolverFor(t, nil).Resolve(t.Context(), reg.Addr+"/web@"+digest)
		wantError(t, err, BadAnswer, fault.Refused)
	}
}

func TestFlippedByteInAChildOrConfig(t *testing.T) {
	tests := map[string]string{"web:1": "/manifests/sha256:", "plain:1": "/blobs/"}
	for ref, where := range tests {
		var top atomic.Value
		top.Store("")
		reg := localregistry.StartT(t, localregistry.WithHandler(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				hit := strings.Contains(req.URL.Path, where) && !strings.HasSuffix(req.URL.Path, top.Load().(string))
				if !hit || req.Method != http.MethodGet {
					next.ServeHTTP(w, req)
					return
				}
				answer := &kept{header: w.Header(), status: http.StatusOK}
				next.ServeHTTP(answer, req)
				answer.body.Bytes()[3] ^= 1
				_, _ = w.Write(answer.body.Bytes())
			})
		}))
		reg.PushT(t, "plain:1", localregistry.TinyT(t, "plain"))
		digest := reg.PushT(t, "web:1", localregistry.TinyT(t, "web", "linux/amd64", "linux/arm64"))
		top.Store(digest)
		_, err := resolverFor(t, nil).Resolve(t.Context(), reg.Addr+"/"+ref)
		wantError(t, err, BadAnswer, fault.Refused)
	}
}

func TestManifestsThatAreNoImage(t *testing.T) {
	const config = `"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"` + digestOfNothing + `","size":0}`
	tests := map[string]struct{ media, raw, text string }{
		"artifact": {string(types.OCIManifestSchema1),
			`{"schemaVersion":2,"config":{"mediaType":"application/vnd.cncf.helm.config.v1+json","digest":"` + digestOfNothing + `","size":0},"layers":[]}`,
			"an artifact there and no image"},
		"empty index":       {string(types.OCIImageIndex), `{"schemaVersion":2,"manifests":[]}`, "without an image in it"},
		"says another type": {string(types.OCIManifestSchema1), `{"mediaType":"` + string(types.OCIImageIndex) + `",` + config + `}`, "sent \"application/vnd.oci.image.index.v1+json\" as"},
		"both at once":      {string(types.OCIManifestSchema1), `{"manifests":[],` + config + `}`, "an index and an image at once"},
		"neither":           {string(types.OCIManifestSchema1), `{"schemaVersion":2}`, "sent something else"},
		"not json":          {string(types.OCIManifestSchema1), `hello`, "not JSON"},
		"no fields":         {string(types.OCIManifestSchema1), `[]`, "not JSON"},
		"short digest":      {string(types.OCIManifestSchema1), `{"config":{"digest":"sha256:12"}}`, "cannot be read"},
	}
	reg := localregistry.StartT(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := reg.PushManifest(t.Context(), "odd", "1", tt.media, []byte(tt.raw)); err != nil {
				t.Fatal(err)
			}
			_, err := resolverFor(t, nil).Resolve(t.Context(), reg.Addr+"/odd:1")
			wantError(t, err, BadAnswer, fault.Unavailable)
			if !strings.Contains(err.Error(), tt.text) {
				t.Errorf("text %q, want %q in it", err, tt.text)
			}
		})
	}
}

func TestIndexesThatAreRefused(t *testing.T) {
	reg := localregistry.StartT(t)
	push := func(repoTag string, m localregistry.Manifest) (string, int) {
		raw, err := m.RawManifest()
		if err != nil {
			t.Fatal(err)
		}
		return reg.PushT(t, repoTag, m), len(raw)
	}
	image, imageSize := push("odd:image", localregistry.TinyT(t, "image"))
	inner, innerSize := push("odd:inner", localregistry.TinyT(t, "inner", "linux/amd64", "linux/arm64"))
	tests := map[string]struct {
		media  types.MediaType
		digest string
		size   int
		exit   fault.Kind
	}{
		"an index within":          {types.OCIImageIndex, inner, innerSize, fault.Unavailable},
		"an image of another size": {types.OCIManifestSchema1, image, imageSize + 1, fault.Refused},
		"an image of another type": {types.DockerManifestSchema2, image, imageSize, fault.Unavailable},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			raw := fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":%q,"digest":%q,"size":%d}]}`, tt.media, tt.digest, tt.size)
			if _, err := reg.PushManifest(t.Context(), "odd", "1", string(types.OCIImageIndex), []byte(raw)); err != nil {
				t.Fatal(err)
			}
			_, err := resolverFor(t, nil).Resolve(t.Context(), reg.Addr+"/odd:1")
			wantError(t, err, BadAnswer, tt.exit)
		})
	}
}

func TestHeadThatTellsLittleFallsBackToGet(t *testing.T) {
	poor := map[string]localregistry.Option{
		"no digest": altered(func(req *http.Request, h http.Header, b []byte) []byte {
			h.Del("Docker-Content-Digest")
			return b
		}),
		"HEAD not allowed": spoil(func(w http.ResponseWriter, req *http.Request) bool {
			if req.Method != http.MethodHead {
				return false
			}
			w.WriteHeader(http.StatusMethodNotAllowed)
			return true
		}),
	}
	for name, option := range poor {
		t.Run(name, func(t *testing.T) {
			reg := localregistry.StartT(t, option)
			digest := reg.PushT(t, "web:1", localregistry.TinyT(t, "web"))
			if got := resolve(t, resolverFor(t, nil), reg.Addr+"/web:1"); got.Digest != digest {
				t.Errorf("got %s, want %s", got.Digest, digest)
			}
		})
	}
}

func TestConnectionRefused(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = resolverFor(t, nil).Resolve(t.Context(), addr+"/web:1")
	wantError(t, err, Unreachable, fault.Unavailable)
	if !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("text %q does not say that the connection was refused", err)
	}
}
