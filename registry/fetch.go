package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// fetched is an image that came over the network.
type fetched struct {
	digest string
	facts  facts
}

// fetch gets the manifests behind a reference and keeps the facts. Digest is
// what HEAD said, and then what is asked for, so that a tag which moves in
// between mixes nothing; when it is empty the tag is asked, and the digest is
// that of the bytes.
func (r *Resolver) fetch(ctx context.Context, repo name.Repository, ref Reference, digest string) (fetched, error) {
	puller, err := r.puller()
	if err != nil {
		return fetched{}, err
	}
	asked := ref
	asked.Digest = digest
	desc, err := puller.Get(ctx, identify(repo, asked))
	if err != nil {
		return fetched{}, contradiction(err, ref, digest)
	}
	got := fetched{digest: digestOf(desc.Manifest)}
	if digest != "" && got.digest != digest {
		return fetched{}, badDigest("sent bytes that are %s when asked for %s", got.digest, digest)
	}
	docs := recording{docs: map[string][]byte{got.digest: desc.Manifest}}
	got.facts = facts{mediaType: string(desc.MediaType), size: int64(len(desc.Manifest))}
	got.facts.children, err = describe(ctx, got.facts.mediaType, desc.Manifest, docs.over(r.getter(repo)))
	if err != nil {
		return fetched{}, err
	}
	if err := r.cache.put(got.digest, got.facts, docs.docs); err != nil {
		// A cache that cannot be written makes the next run slower, not wrong.
		r.cacheErrors.Add(1)
	}
	return got, nil
}

// contradiction recognises a registry that names a digest for a tag and then
// does not have it.
func contradiction(err error, ref Reference, digest string) error {
	if ref.Digest == "" && digest != "" && missing(err) {
		return &digestError{text: fmt.Sprintf("says the tag is %s and does not have that", digest), missing: true}
	}
	return err
}

// recording keeps the documents that pass through it.
type recording struct {
	mu   sync.Mutex
	docs map[string][]byte
}

func (r *recording) over(get documents) documents {
	return func(ctx context.Context, kind, digest string) ([]byte, error) {
		doc, err := get(ctx, kind, digest)
		if err != nil {
			return nil, err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.docs[digest] = doc
		return doc, nil
	}
}

// missing tells whether the registry answered that it does not have it.
func missing(err error) bool {
	var digest *digestError
	if errors.As(err, &digest) {
		return digest.missing
	}
	var status *transport.Error
	return errors.As(err, &status) && status.StatusCode == http.StatusNotFound
}
