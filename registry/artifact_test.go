package registry

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/internal/localregistry"
)

// somebody is the login of the tests' registries that ask for one.
type somebody struct{}

func (somebody) Resolve(authn.Resource) (authn.Authenticator, error) {
	return &authn.Basic{Username: "ada", Password: "pass"}, nil
}

func artifactsFor(t testing.TB, reg *localregistry.Registry, change func(*Options)) *Artifacts {
	t.Helper()
	a, err := resolverFor(t, change).Artifacts(reg.Addr + "/coop/files:one")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func itemOf(title string, data []byte) ArtifactItem {
	return ArtifactItem{Title: title, Media: "application/octet-stream", Digest: digestOf(data), Size: int64(len(data))}
}

func opening(data []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
}

// store pushes one file, and a manifest and an index that lead to it.
func store(t testing.TB, a *Artifacts, data []byte) (index, part *ArtifactManifest) {
	t.Helper()
	sent, err := a.PushBlob(t.Context(), itemOf("a file", data), opening(data))
	if err != nil || !sent {
		t.Fatalf("sent %v: %v", sent, err)
	}
	if err := a.PushConfig(t.Context()); err != nil {
		t.Fatal(err)
	}
	part = &ArtifactManifest{Type: "application/x-part", Items: []ArtifactItem{itemOf("a file", data)}}
	if err := a.Push(t.Context(), part, ""); err != nil {
		t.Fatal(err)
	}
	index = &ArtifactManifest{Type: "application/x-all", Index: true, Items: []ArtifactItem{{Title: "part", Digest: part.Digest, Size: part.Size}}}
	if err := a.Release(t.Context(), index); err != nil {
		t.Fatal(err)
	}
	return index, part
}

func largeBlob(t testing.TB) []byte {
	t.Helper()
	data := make([]byte, maxDocument+12345)
	if _, err := rand.Read(data); err != nil {
		t.Fatal(err)
	}
	return data
}

func TestArtifactsThereAndBack(t *testing.T) {
	for name, option := range map[string]localregistry.Option{
		"bearer": localregistry.WithBearer("ada", "pass"), "basic": localregistry.WithBasicAuth("ada", "pass"),
	} {
		t.Run(name, func(t *testing.T) {
			reg := localregistry.StartT(t, option)
			a := artifactsFor(t, reg, func(o *Options) { o.Keychain = somebody{} })
			if _, err := a.Manifest(t.Context(), ""); !IsNotFound(err) {
				t.Errorf("an empty repository answers %v", err)
			}
			data := largeBlob(t) // more than a document of the wire may have
			index, part := store(t, a, data)

			got, err := a.Manifest(t.Context(), "")
			if err != nil || !got.Index || got.Type != index.Type || got.Digest != index.Digest || got.Items[0].Digest != part.Digest {
				t.Fatalf("got %+v, %v, want %+v", got, err, index)
			}
			if digest, err := a.Head(t.Context()); err != nil || digest != index.Digest {
				t.Errorf("HEAD says %s, %v", digest, err)
			}
			got, err = a.Manifest(t.Context(), part.Digest)
			if err != nil || got.Index || got.Items[0] != part.Items[0] {
				t.Fatalf("got %+v, %v, want %+v", got, err, part)
			}
			read, err := a.Blob(t.Context(), got.Items[0].Digest, int64(len(data)))
			if err != nil || !bytes.Equal(read, data) {
				t.Errorf("read %d bytes, %v", len(read), err)
			}
			if _, err := a.Blob(t.Context(), got.Items[0].Digest, int64(len(data))-1); !errors.Is(err, ErrTooLarge) {
				t.Errorf("one byte too many: %v", err)
			}
			if _, err := a.Blob(t.Context(), digestOf([]byte("else")), 10); !IsNotFound(err) {
				t.Errorf("a blob that is not there: %v", err)
			}
			reg.ResetCount()
			if sent, err := a.PushBlob(t.Context(), part.Items[0], nil); sent || err != nil {
				t.Errorf("sent again: %v, %v", sent, err)
			}
			if got := strings.Join(reg.Requests(), "\n"); strings.Contains(got, "POST") {
				t.Errorf("a blob that is there cost:\n%s", got)
			}
			reg.ExpireTokens()
			if sent, err := a.PushBlob(t.Context(), itemOf("b", data[:77]), opening(data[:77])); !sent || err != nil {
				t.Errorf("with an expired token: %v, %v", sent, err)
			}
		})
	}
}

// blobFault answers requests for blobs and uploads, the first n of them.
func blobFault(n int64, method string, answer http.HandlerFunc) localregistry.Option {
	var count atomic.Int64
	return localregistry.WithHandler(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.Method == method && strings.Contains(req.URL.Path, "/blobs/") && count.Add(1) <= n {
				answer(w, req)
				return
			}
			next.ServeHTTP(w, req)
		})
	})
}

func TestArtifactPushIsTriedAgain(t *testing.T) {
	abort := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	halfway := func(_ http.ResponseWriter, req *http.Request) {
		_, _ = io.CopyN(io.Discard, req.Body, 100_000)
		panic(http.ErrAbortHandler)
	}
	code := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, req *http.Request) { status(code, header...)(w, req) }
	}
	for name, option := range map[string]localregistry.Option{
		"HEAD broken":        blobFault(1, http.MethodHead, abort),
		"HEAD 500":           blobFault(2, http.MethodHead, code(500)),
		"HEAD 429":           blobFault(1, http.MethodHead, code(429, "Retry-After", "1")),
		"POST 503":           blobFault(2, http.MethodPost, code(503)),
		"POST 429":           blobFault(1, http.MethodPost, code(429, "Retry-After", "1")),
		"PATCH broken":       blobFault(1, http.MethodPatch, halfway),
		"PATCH 500":          blobFault(2, http.MethodPatch, code(500)),
		"PATCH 429":          blobFault(1, http.MethodPatch, code(429, "Retry-After", "1")),
		"PATCH 404":          blobFault(1, http.MethodPatch, code(404)),
		"PUT 500":            blobFault(2, http.MethodPut, code(500)),
		"PUT broken":         blobFault(1, http.MethodPut, abort),
		"PUT of another 500": failFirst(2, status(500)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := artifactsFor(t, localregistry.StartT(t, option), nil)
			data := largeBlob(t)
			index, _ := store(t, a, data)
			if got, err := a.Manifest(t.Context(), ""); err != nil || got.Digest != index.Digest {
				t.Errorf("got %+v, %v", got, err)
			}
			if _, err := a.Blob(t.Context(), digestOf(data), int64(len(data))); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestArtifactPushFails(t *testing.T) {
	code := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, req *http.Request) { status(code)(w, req) }
	}
	tests := map[string]struct {
		option localregistry.Option
		kind   ErrorKind
		code   int
	}{
		"not allowed":  {blobFault(1000, http.MethodPost, code(403)), Unauthorized, 403},
		"always 500":   {blobFault(1000, http.MethodPut, code(500)), Unreachable, 500},
		"always 429":   {blobFault(1000, http.MethodPatch, code(429)), RateLimited, 429},
		"too large":    {blobFault(1000, http.MethodPatch, code(413)), BadAnswer, 413},
		"logged out":   {localregistry.WithBearer("bob", "other"), Unauthorized, 401},
		"no resumable": {blobFault(1000, http.MethodPatch, code(404)), NotFound, 404},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := artifactsFor(t, localregistry.StartT(t, tt.option), nil)
			_, err := a.PushBlob(t.Context(), itemOf("a file", []byte("data")), opening([]byte("data")))
			var e *Error
			if !errors.As(err, &e) || e.Kind != tt.kind || e.Status != tt.code {
				t.Fatalf("%v, want kind %s and status %d", err, tt.kind, tt.code)
			}
			if fault.KindOf(err) != fault.Unavailable || fault.HintOf(err) == "" || strings.Contains(err.Error(), "\n") {
				t.Errorf("kind %v, hint %q, error %q", fault.KindOf(err), fault.HintOf(err), err)
			}
		})
	}
}

func TestArtifactPushReportsTheFile(t *testing.T) {
	a := artifactsFor(t, localregistry.StartT(t), nil)
	broken := fault.New(fault.Refused, "the file changed")
	_, err := a.PushBlob(t.Context(), itemOf("a file", []byte("data")), func() (io.ReadCloser, error) { return nil, broken })
	if !errors.Is(err, broken) || fault.KindOf(err) != fault.Refused {
		t.Errorf("got %v", err)
	}
	// Bytes that are not what the digest says are refused by the registry.
	if _, err := a.PushBlob(t.Context(), itemOf("a file", []byte("data")), opening([]byte("atad"))); err == nil {
		t.Error("other bytes were stored")
	}
}

// changedBlob lets the registry answer and changes the blob before it is sent.
func changedBlob(change func(n int64, w http.ResponseWriter, body []byte)) localregistry.Option {
	var count atomic.Int64
	return localregistry.WithHandler(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.Method != http.MethodGet || !strings.Contains(req.URL.Path, "/blobs/") {
				next.ServeHTTP(w, req)
				return
			}
			answer := &kept{header: http.Header{}, status: http.StatusOK}
			next.ServeHTTP(answer, req)
			change(count.Add(1), w, bytes.Clone(answer.body.Bytes()))
		})
	})
}

func TestArtifactBlobRefusesOtherBytes(t *testing.T) {
	flip := func(_ int64, w http.ResponseWriter, body []byte) {
		body[len(body)/2] ^= 1
		_, _ = w.Write(body)
	}
	short := func(_ int64, w http.ResponseWriter, body []byte) { _, _ = w.Write(body[:len(body)-1]) }
	long := func(_ int64, w http.ResponseWriter, body []byte) { _, _ = w.Write(append(body, 'x')) }
	html := func(_ int64, w http.ResponseWriter, _ []byte) { _, _ = w.Write([]byte("<html>hello</html>")) }
	for name, change := range map[string]func(int64, http.ResponseWriter, []byte){"flipped": flip, "short": short, "long": long, "a page": html} {
		t.Run(name, func(t *testing.T) {
			a := artifactsFor(t, localregistry.StartT(t, changedBlob(change)), nil)
			data := largeBlob(t)
			store(t, a, data)
			_, err := a.Blob(t.Context(), digestOf(data), int64(len(data))+100)
			if fault.KindOf(err) != fault.Refused {
				t.Errorf("got %v", err)
			}
			if _, err := a.Blob(t.Context(), digestOf(data), 10); !errors.Is(err, ErrTooLarge) && fault.KindOf(err) != fault.Refused {
				t.Errorf("with a limit: %v", err)
			}
		})
	}
}

func TestArtifactBlobThatBreaksIsReadAgain(t *testing.T) {
	cut := func(times int64) localregistry.Option {
		return changedBlob(func(n int64, w http.ResponseWriter, body []byte) {
			if n > times {
				_, _ = w.Write(body)
				return
			}
			w.Header().Set("Content-Length", "5000000")
			_, _ = w.Write(body[:len(body)/2])
			panic(http.ErrAbortHandler)
		})
	}
	data := largeBlob(t)
	a := artifactsFor(t, localregistry.StartT(t, cut(2)), nil)
	store(t, a, data)
	if _, err := a.Blob(t.Context(), digestOf(data), 1<<30); err != nil {
		t.Error(err)
	}
	a = artifactsFor(t, localregistry.StartT(t, cut(1000)), nil)
	store(t, a, data)
	_, err := a.Blob(t.Context(), digestOf(data), 1<<30)
	var e *Error
	if !errors.As(err, &e) || e.Kind != Unreachable || fault.KindOf(err) != fault.Unavailable {
		t.Errorf("got %v", err)
	}
}

func TestArtifactBlobThatStalls(t *testing.T) {
	release := make(chan struct{})
	stall := changedBlob(func(_ int64, w http.ResponseWriter, body []byte) {
		_, _ = w.Write(body[:len(body)/2])
		w.(http.Flusher).Flush()
		<-release
	})
	reg := localregistry.StartT(t, stall)
	t.Cleanup(func() { close(release) })
	a := artifactsFor(t, reg, func(o *Options) { o.Timeout = 300 * time.Millisecond })
	data := []byte("some bytes of a file")
	store(t, a, data)
	a.wire.inner.timeout = 300 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := a.Blob(ctx, digestOf(data), 1<<20)
	var e *Error
	if !errors.As(err, &e) || e.Kind != Timeout {
		t.Errorf("got %v", err)
	}
}

func TestArtifactManifestHasABound(t *testing.T) {
	m := &ArtifactManifest{Type: "application/x-part"}
	for range 30_000 {
		m.Items = append(m.Items, itemOf("v1/recipes/name.json", nil))
	}
	if _, err := m.Seal(); err == nil || !strings.Contains(err.Error(), "registries take no more than 4194304") {
		t.Errorf("got %v", err)
	}
}

func TestArtifactReferences(t *testing.T) {
	r := resolverFor(t, nil)
	for reference, want := range map[string]string{
		"example.org/a/b": "example.org/a/b:latest", "example.org:5000/a:x": "example.org:5000/a:x",
	} {
		if a, err := r.Artifacts(reference); err != nil || a.String() != want {
			t.Errorf("%s is %v, %v", reference, a, err)
		}
	}
	for _, reference := range []string{"example.org/A", "", "example.org/a@" + digestOf(nil)} {
		if _, err := r.Artifacts(reference); fault.KindOf(err) != fault.Usage {
			t.Errorf("%q: %v", reference, err)
		}
	}
}

func FuzzDecodeArtifact(f *testing.F) {
	m := &ArtifactManifest{Type: "t", Items: []ArtifactItem{itemOf("x", []byte("y"))}}
	raw, _ := m.Seal()
	f.Add(raw, true)
	f.Add(raw, false)
	f.Add([]byte(`{"layers":[{"digest":"sha256:00","size":-1}]}`), false)
	f.Fuzz(func(t *testing.T, raw []byte, index bool) {
		media := "application/vnd.oci.image.manifest.v1+json"
		if index {
			media = "application/vnd.oci.image.index.v1+json"
		}
		m, err := decodeArtifact(raw, media)
		if err != nil {
			return
		}
		for _, item := range m.Items {
			if item.Size < 0 || !strings.HasPrefix(item.Digest, "sha256:") || len(item.Digest) != 71 {
				t.Errorf("took %+v", item)
			}
		}
	})
}
