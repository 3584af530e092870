package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/galley-coop/galley/internal/fault"
)

// ErrTooLarge means that a blob has more bytes than its reader takes.
var ErrTooLarge = errors.New("larger than expected")

// MaxManifest is the largest manifest in bytes. Registries need not take more
// than 4 MiB (distribution specification, "Pushing Manifests").
const MaxManifest = maxDocument

// titleKey is the annotation with the name of the file that a blob holds
// (image specification, "Pre-Defined Annotation Keys").
const titleKey = "org.opencontainers.image.title"

// Artifacts is one repository and tag of a registry, as a place for files that
// are no images: blobs, and manifests that name them. It may be used from any
// goroutine. Every byte that it hands out was compared with its digest, except
// that a tag's manifest is what the tag names.
type Artifacts struct {
	ref    Reference
	repo   name.Repository
	wire   *artifactWire
	puller func() (*remote.Puller, error)
	pusher func() (*remote.Pusher, error)
}

// ArtifactManifest is an OCI image manifest whose layers are files, or an OCI
// index whose items are such manifests.
type ArtifactManifest struct {
	// Digest is of the manifest's bytes: of those that were read, or that Seal made.
	Digest string
	// Size is the number of those bytes.
	Size int64
	// Index tells that the items are manifests. Otherwise they are blobs.
	Index bool
	// Type is the artifact type, a media type.
	Type  string
	Items []ArtifactItem
}

// ArtifactItem is a blob or a manifest that a manifest names.
type ArtifactItem struct {
	Title  string // the file's name, "" without one
	Media  string // media type; of items of an index Seal sets it
	Digest string // "sha256:…"
	Size   int64  // bytes
}

// emptyConfig is the config of a manifest that needs none (image specification,
// "Guidance for an Empty Descriptor").
var emptyConfig = []byte("{}")

// Artifacts opens "host[:port]/repository[:tag]"; the tag is "latest" when none
// is written. Nothing is sent. A malformed reference is fault.Usage.
func (r *Resolver) Artifacts(reference string) (*Artifacts, error) {
	ref, err := ParseReference(reference)
	if err != nil {
		return nil, err
	}
	if ref.Digest != "" {
		return nil, fault.New(fault.Usage, "repository %q: expected host/repository[:tag], without a digest", reference)
	}
	if ref.Tag == "" {
		ref.Tag = "latest"
	}
	repo, err := r.repository(ref)
	if err != nil {
		return nil, err
	}
	a := &Artifacts{ref: ref, repo: repo, wire: newArtifactWire(r.wire, r.opts.PerHost)}
	options := []remote.Option{
		remote.WithTransport(a.wire), remote.WithAuthFromKeychain(oneAnswer(keychain{r.opts.Keychain})),
		remote.WithUserAgent(r.opts.UserAgent), remote.WithJobs(256), // the wire bounds
		remote.WithRetryBackoff(remote.Backoff{Steps: 1}), remote.WithRetryStatusCodes(),
		remote.WithRetryPredicate(func(error) bool { return false }),
	}
	a.puller = sync.OnceValues(func() (*remote.Puller, error) { return remote.NewPuller(options...) })
	a.pusher = sync.OnceValues(func() (*remote.Pusher, error) { return remote.NewPusher(options...) })
	return a, nil
}

// String is the repository and tag: "registry.example.org/coop/catalogue:latest".
func (a *Artifacts) String() string { return a.ref.String() }

// Requests is how many requests were made so far. Tries after the first, and
// pings that were answered from memory, are not counted.
func (a *Artifacts) Requests() int64 { return a.wire.requests.Load() }

// Head asks which manifest the tag names, "" when the registry does not tell
// without sending it. An *Error of kind NotFound is in the chain when there is
// none.
func (a *Artifacts) Head(ctx context.Context) (string, error) {
	puller, err := a.puller()
	if err != nil {
		return "", a.explain(ctx, "asking for "+a.ref.Familiar(), err)
	}
	desc, err := puller.Head(ctx, a.repo.Tag(a.ref.Tag))
	switch {
	case errors.Is(err, errPoorHead):
		return "", nil
	case err != nil:
		return "", a.explain(ctx, "asking for "+a.ref.Familiar(), err)
	}
	return desc.Digest.String(), nil
}

// Manifest reads a manifest by its digest, the one that the tag names for "".
func (a *Artifacts) Manifest(ctx context.Context, digest string) (*ArtifactManifest, error) {
	return a.manifest(ctx, a.ref.Tag, digest)
}

// Tagged reads the manifest of another tag of the repository.
func (a *Artifacts) Tagged(ctx context.Context, tag string) (*ArtifactManifest, error) {
	return a.manifest(ctx, tag, "")
}

func (a *Artifacts) manifest(ctx context.Context, tag, digest string) (*ArtifactManifest, error) {
	asked := a.ref
	asked.Tag, asked.Digest = tag, digest
	doing := "reading " + asked.Familiar()
	puller, err := a.puller()
	if err != nil {
		return nil, a.explain(ctx, doing, err)
	}
	desc, err := puller.Get(ctx, identify(a.repo, asked))
	if err != nil {
		return nil, a.explain(ctx, doing, err)
	}
	m, err := decodeArtifact(desc.Manifest, string(desc.MediaType))
	if err != nil {
		return nil, a.explain(ctx, doing, err)
	}
	return m, nil
}

func decodeArtifact(raw []byte, media string) (*ArtifactManifest, error) {
	m := &ArtifactManifest{Digest: digestOf(raw), Size: int64(len(raw)), Index: types.MediaType(media).IsIndex()}
	var doc struct {
		ArtifactType string          `json:"artifactType"`
		Layers       []v1.Descriptor `json:"layers"`
		Manifests    []v1.Descriptor `json:"manifests"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, badAnswer("sent a manifest that cannot be read")
	}
	m.Type = doc.ArtifactType
	items := doc.Layers
	if m.Index {
		items = doc.Manifests
	}
	for _, d := range items {
		if d.Digest.Algorithm != "sha256" || d.Size < 0 {
			return nil, badAnswer("sent a manifest with an item that has no sha256 digest or no size")
		}
		m.Items = append(m.Items, ArtifactItem{
			Title: d.Annotations[titleKey], Media: string(d.MediaType), Digest: d.Digest.String(), Size: d.Size,
		})
	}
	return m, nil
}

// Blob reads a blob of at most limit bytes; a larger one is ErrTooLarge, and one
// that is not there an *Error of kind NotFound. Bytes that do not match the
// digest are fault.Refused. A connection that breaks is tried again.
func (a *Artifacts) Blob(ctx context.Context, digest string, limit int64) ([]byte, error) {
	for try := 1; ; try++ {
		data, err := a.blob(ctx, digest, limit)
		if err == nil || errors.Is(err, ErrTooLarge) {
			return data, err
		}
		wait := backoffFor(a.wire.inner.backoff, try)
		if try < tries && worthAnother(ctx, nil, err) && fits(ctx, wait) && sleep(ctx, wait) == nil {
			continue
		}
		return nil, a.explain(ctx, "reading "+digest+" of "+a.ref.Familiar(), err)
	}
}

func (a *Artifacts) blob(ctx context.Context, digest string, limit int64) ([]byte, error) {
	if _, err := v1.NewHash(digest); err != nil || !strings.HasPrefix(digest, "sha256:") {
		return nil, badAnswer("is asked for %q, expected a sha256 digest", shorten(digest))
	}
	puller, err := a.puller()
	if err != nil {
		return nil, err
	}
	layer, err := puller.Layer(ctx, a.repo.Digest(digest))
	if err != nil {
		return nil, err
	}
	body, err := layer.Compressed()
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	}
	if got := digestOf(data); got != digest {
		return nil, badDigest("sent bytes that are %s when asked for %s", got, digest)
	}
	return data, nil
}

// oneAnswer asks a keychain once: the pulling and the pushing half want the same
// credentials, and a helper may be a program that asks a person.
func oneAnswer(inner authn.Keychain) authn.Keychain { return &onceKeychain{inner: inner} }

type onceKeychain struct {
	inner authn.Keychain
	mu    sync.Mutex
	auth  authn.Authenticator
}

// Resolve is authn.Keychain.
func (k *onceKeychain) Resolve(target authn.Resource) (authn.Authenticator, error) {
	return k.ResolveContext(context.Background(), target)
}

// ResolveContext is authn.ContextKeychain. A failure is not remembered.
func (k *onceKeychain) ResolveContext(ctx context.Context, target authn.Resource) (authn.Authenticator, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.auth != nil {
		return k.auth, nil
	}
	auth, err := authn.Resolve(ctx, k.inner, target)
	if err == nil {
		k.auth = auth
	}
	return auth, err
}

// ArtifactError tells what did not work between galley and a repository, on one
// line and without credentials. It comes wrapped with a hint and an exit code.
type ArtifactError struct {
	Doing string // "reading registry.example.org/catalogue:latest"
	Err   *Error
}

// Error is the message, one line.
func (e *ArtifactError) Error() string {
	return fmt.Sprintf("%s: registry %q %s", e.Doing, e.Err.Host, e.Err.Err)
}

// Unwrap is the cause.
func (e *ArtifactError) Unwrap() error { return e.Err }

// IsNotFound tells whether a registry said that it does not have something.
func IsNotFound(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == NotFound
}

func (a *Artifacts) explain(ctx context.Context, doing string, err error) error {
	if ctx.Err() == context.Canceled {
		return fault.Wrap(fault.Interrupted, fmt.Errorf("%s: %w", doing, context.Canceled))
	}
	e := classify(err)
	e.Host, e.Reference = hostName(a.repo), a.ref.Familiar()
	kind := fault.Unavailable
	if mismatch := (*digestError)(nil); errors.As(e.Err, &mismatch) {
		kind = fault.Refused
	}
	return fault.Hint(fault.Wrap(kind, &ArtifactError{doing, e}), "%s", artifactHint(e, kind))
}

func artifactHint(e *Error, kind fault.Kind) string {
	switch {
	case kind == fault.Refused:
		return "tell who runs the registry; nothing was changed"
	case e.Kind == NotFound:
		return "check the repository's name and tag"
	case e.Kind == Unauthorized:
		return fmt.Sprintf("log in with \"docker login %s\", as somebody who may", e.Host)
	case e.Kind == RateLimited:
		return "wait, then try again: what was pushed is kept"
	case e.Kind == BadAnswer && e.Status == http.StatusRequestEntityTooLarge:
		return "the registry does not take a file of that size"
	}
	return "check the registry's name and status and the network, then try again"
}

// Seal encodes the manifest, sets its Digest and Size and returns the bytes.
// More than MaxManifest bytes are an error.
func (m *ArtifactManifest) Seal() ([]byte, error) {
	var doc any
	if m.Index {
		doc = v1.IndexManifest{
			SchemaVersion: 2, MediaType: types.OCIImageIndex, ArtifactType: m.Type, Manifests: m.descriptors(),
		}
	} else {
		doc = v1.Manifest{
			SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: m.Type,
			Config: v1.Descriptor{MediaType: types.OCIEmptyJSON, Size: int64(len(emptyConfig)), Digest: hashOf(emptyConfig)},
			Layers: m.descriptors(),
		}
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("writing a manifest: %w", err)
	}
	if len(raw) > MaxManifest {
		return nil, fmt.Errorf("a manifest of %d files has %d bytes, and registries take no more than %d", len(m.Items), len(raw), MaxManifest)
	}
	m.Digest, m.Size = digestOf(raw), int64(len(raw))
	return raw, nil
}

func (m *ArtifactManifest) descriptors() []v1.Descriptor {
	list := []v1.Descriptor{}
	for _, item := range m.Items {
		d := v1.Descriptor{MediaType: types.MediaType(item.Media), Size: item.Size}
		if m.Index {
			d.MediaType = types.OCIManifestSchema1
		}
		d.Digest = v1.Hash{Algorithm: "sha256", Hex: strings.TrimPrefix(item.Digest, "sha256:")}
		if item.Title != "" {
			d.Annotations = map[string]string{titleKey: item.Title}
		}
		list = append(list, d)
	}
	return list
}

func hashOf(data []byte) v1.Hash {
	hash, _, _ := v1.SHA256(bytes.NewReader(data)) // reading memory does not fail
	return hash
}
