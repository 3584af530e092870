package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// PushBlob stores a blob, unless the registry says that it has it. Open may be
// called several times: an upload that breaks begins anew. Sent tells whether
// there was an upload.
func (a *Artifacts) PushBlob(ctx context.Context, item ArtifactItem, open func() (io.ReadCloser, error)) (sent bool, err error) {
	hash, err := v1.NewHash(item.Digest)
	if err != nil {
		return false, fmt.Errorf("pushing %s: %w", item.Title, err)
	}
	layer := &blobLayer{item: item, hash: hash, open: open}
	for try := 1; ; try++ {
		err := a.upload(ctx, layer)
		if err == nil {
			return layer.opened.Load(), nil
		}
		if failed := layer.failure(); failed != nil { // the file, not the registry
			return false, fmt.Errorf("pushing %s: %w", item.Title, failed)
		}
		wait := backoffFor(a.wire.inner.backoff, try)
		if try < tries && beginAnew(ctx, err) && fits(ctx, wait) && sleep(ctx, wait) == nil {
			continue
		}
		return false, a.explain(ctx, fmt.Sprintf("pushing %s to %s", item.Title, a.ref.Familiar()), err)
	}
}

func (a *Artifacts) upload(ctx context.Context, layer *blobLayer) error {
	pusher, err := a.pusher()
	if err != nil {
		return err
	}
	return pusher.Upload(ctx, a.repo, layer)
}

// beginAnew tells whether an upload may have better luck from its start. A
// registry that lost the session, or that has part of a file already, says so
// with 404, 400 or 416.
func beginAnew(ctx context.Context, err error) bool {
	var status *transport.Error
	if !errors.As(err, &status) {
		// A connection that breaks while it is written to may be closed already.
		return worthAnother(ctx, nil, err) || ctx.Err() == nil && errors.Is(err, net.ErrClosed)
	}
	switch status.StatusCode {
	case http.StatusNotFound, http.StatusBadRequest, http.StatusRequestedRangeNotSatisfiable:
		return ctx.Err() == nil && status.Request != nil && status.Request.Method != http.MethodHead && status.Request.Method != http.MethodPost
	}
	return ctx.Err() == nil && status.StatusCode >= 500 && status.StatusCode != http.StatusNotImplemented
}

// PushConfig stores the empty config that all manifests of Push have.
func (a *Artifacts) PushConfig(ctx context.Context) error {
	item := ArtifactItem{Title: "an empty config", Digest: digestOf(emptyConfig), Size: int64(len(emptyConfig))}
	_, err := a.PushBlob(ctx, item, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(emptyConfig)), nil })
	return err
}

// Push seals and stores a manifest, under its digest, or under a tag of the
// repository as well. What it names must be stored before.
func (a *Artifacts) Push(ctx context.Context, m *ArtifactManifest, tag string) error {
	raw, err := m.Seal()
	if err != nil {
		return err
	}
	asked := a.ref
	asked.Tag, asked.Digest = tag, ""
	if tag == "" {
		asked.Digest = m.Digest
	}
	doing := "pushing " + asked.Familiar()
	pusher, err := a.pusher()
	if err != nil {
		return a.explain(ctx, doing, err)
	}
	media := types.OCIManifestSchema1
	if m.Index {
		media = types.OCIImageIndex
	}
	if err := pusher.Put(ctx, identify(a.repo, asked), rawManifest{raw, media}); err != nil {
		return a.explain(ctx, doing, err)
	}
	return nil
}

// Release stores a manifest under the tag that Artifacts was opened with: it is
// the moment at which readers see something else.
func (a *Artifacts) Release(ctx context.Context, m *ArtifactManifest) error {
	return a.Push(ctx, m, a.ref.Tag)
}

type rawManifest struct {
	raw   []byte
	media types.MediaType
}

// RawManifest is remote.Taggable.
func (m rawManifest) RawManifest() ([]byte, error) { return m.raw, nil }

// MediaType tells ggcr the Content-Type.
func (m rawManifest) MediaType() (types.MediaType, error) { return m.media, nil }

// blobLayer is a file as ggcr's v1.Layer. It is what it is: nothing is
// compressed, and nothing unpacked.
type blobLayer struct {
	item   ArtifactItem
	hash   v1.Hash
	open   func() (io.ReadCloser, error)
	opened atomic.Bool

	mu     sync.Mutex
	failed error // of the file
}

func (l *blobLayer) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = err
}

func (l *blobLayer) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// Digest is v1.Layer.
func (l *blobLayer) Digest() (v1.Hash, error) { return l.hash, nil }

// DiffID is v1.Layer.
func (l *blobLayer) DiffID() (v1.Hash, error) { return l.hash, nil }

// Compressed is v1.Layer. ggcr asks for more bodies than it sends.
func (l *blobLayer) Compressed() (io.ReadCloser, error) { return &lazyBody{layer: l}, nil }

// lazyBody opens a file when somebody reads it.
type lazyBody struct {
	layer *blobLayer
	body  io.ReadCloser
}

// Read is io.Reader.
func (b *lazyBody) Read(p []byte) (int, error) {
	if b.body == nil {
		body, err := b.layer.open()
		if err != nil {
			b.layer.fail(err)
			return 0, err
		}
		b.body = body
		b.layer.opened.Store(true)
	}
	return b.body.Read(p)
}

// Close is io.Closer.
func (b *lazyBody) Close() error {
	if b.body == nil {
		return nil
	}
	return b.body.Close()
}

// Uncompressed is v1.Layer.
func (l *blobLayer) Uncompressed() (io.ReadCloser, error) { return l.Compressed() }

// Size is v1.Layer.
func (l *blobLayer) Size() (int64, error) { return l.item.Size, nil }

// MediaType is v1.Layer.
func (l *blobLayer) MediaType() (types.MediaType, error) { return types.MediaType(l.item.Media), nil }
