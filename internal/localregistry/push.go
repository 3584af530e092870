package localregistry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Manifest is what v1.Image and v1.ImageIndex have in common.
type Manifest interface {
	RawManifest() ([]byte, error)
	Digest() (v1.Hash, error)
	MediaType() (types.MediaType, error)
}

// Push stores an image or an index, with everything below it, under
// "path:tag" (without a host). It goes round credentials, faults and counting,
// so that a test's faults meet only what is under test.
func (r *Registry) Push(ctx context.Context, repoTag string, img Manifest) error {
	ref, err := name.NewTag(r.Addr+"/"+repoTag, name.StrictValidation, name.Insecure)
	if err != nil {
		return fmt.Errorf("pushing %q: %w", repoTag, err)
	}
	opts := []remote.Option{remote.WithContext(ctx), remote.WithTransport(inProcess{r.store})}
	switch m := img.(type) {
	case v1.ImageIndex:
		err = remote.WriteIndex(ref, m, opts...)
	case v1.Image:
		err = remote.Write(ref, m, opts...)
	default:
		err = fmt.Errorf("%T is neither an image nor an index", img)
	}
	if err != nil {
		return fmt.Errorf("pushing %q: %w", repoTag, err)
	}
	return nil
}

// PushManifest stores raw bytes as the manifest "path:tag", whatever they are,
// and returns their digest.
func (r *Registry) PushManifest(ctx context.Context, repo, tag string, mediaType string, raw []byte) (string, error) {
	hash, _, err := v1.SHA256(bytes.NewReader(raw))
	if err != nil {
		return "", fmt.Errorf("pushing %s:%s: %w", repo, tag, err)
	}
	path := fmt.Sprintf("/v2/%s/manifests/%s", repo, url.PathEscape(tag))
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://"+r.Addr+path, bytes.NewReader(raw))
	if err != nil {
		return "", fmt.Errorf("pushing %s:%s: %w", repo, tag, err)
	}
	req.Header.Set("Content-Type", mediaType)
	resp, err := inProcess{r.store}.RoundTrip(req)
	if err != nil {
		return "", fmt.Errorf("pushing %s:%s: %w", repo, tag, err)
	}
	if resp.StatusCode != http.StatusCreated {
		return "", fmt.Errorf("pushing %s:%s: status %d", repo, tag, resp.StatusCode)
	}
	return hash.String(), nil
}

// inProcess hands a request to a handler without a connection.
type inProcess struct{ handler http.Handler }

func (p inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	served := req.Clone(req.Context())
	served.RequestURI = req.URL.RequestURI()
	// The registry reads the host out of the URL, where a server leaves it empty.
	served.URL.Host, served.URL.Scheme = "", ""
	if served.Body == nil {
		served.Body = http.NoBody
	}
	defer served.Body.Close()
	rec := &recorder{header: http.Header{}, status: http.StatusOK}
	p.handler.ServeHTTP(rec, served)
	return &http.Response{
		Status:     http.StatusText(rec.status),
		StatusCode: rec.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        rec.header,
		Body:          io.NopCloser(&rec.body),
		ContentLength: int64(rec.body.Len()),
		Request:       req,
	}, nil
}

type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }
