package registry

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Options of a Resolver. The zero value works.
type Options struct {
	// CacheDir holds immutable facts, and the journal of answers, between runs; ""
	// keeps them in memory only.
	CacheDir string
	// Learned is how old an answer may be that is taken without asking: of this
	// run, and with a CacheDir of earlier ones. So a run that was killed or that met
	// a limit goes on where it was. 0 asks for every reference.
	Learned time.Duration
	// Keychain finds credentials; nil is the docker config (authn.DefaultKeychain).
	Keychain authn.Keychain
	// PerHost is the number of requests in flight to one host; 4 when zero.
	PerHost int
	// Timeout is of one try of one request, body included; 30 s when zero.
	Timeout time.Duration
	// Backoff is the wait before the second try, doubled for the third, where
	// the registry does not say how long to wait; 500 ms when zero.
	Backoff time.Duration
	// Rewrites sends references to another registry: a host, or a host and the
	// beginning of a path, to its replacement. The longest one wins. Keys are
	// normalised names: "docker.io", "docker.io/library".
	Rewrites map[string]string
	// Insecure hosts (with port) may be spoken to over plain HTTP; loopback and
	// private (RFC 1918) addresses may anyway, when they do not answer https.
	Insecure []string
	// MaxRequests bounds everything that is sent in the Resolver's life: HEADs,
	// GETs, pings, tokens and further tries; 0 is no bound. Then whatever would
	// need another request fails with ErrBudget. (A kept connection that turns out
	// to be closed makes net/http send a request once more; that is counted, and
	// may be one too many.)
	MaxRequests int64
	// UserAgent is what requests call themselves; "galley" when empty.
	UserAgent string
}

// Stats counts what was really sent, tries that failed included.
type Stats struct {
	Heads       int64   // HEAD requests for manifests
	Gets        int64   // GET requests for manifests and configs
	Auths       int64   // pings and token requests
	CacheHits   int64   // references answered after their HEAD alone
	Learned     int64   // references answered without any request
	Retries     int64   // tries after the first, of any request
	CacheErrors int64   // facts and answers that could not be written to CacheDir
	Quotas      []Quota // what hosts said about their limits, by host
}

// Resolver resolves references. It may be used from any goroutine, and should
// be shared: connections, tokens and what hosts asked for belong to it.
type Resolver struct {
	opts    Options
	wire    *wire
	cache   cache
	learned learned
	targets sync.Map // reference as written → target
	puller  func() (*remote.Puller, error)

	hits, unasked, cacheErrors atomic.Int64
}

// New makes a Resolver. Nothing is sent or read before the first Resolve.
func New(opts Options) *Resolver {
	opts.PerHost = max(1, cmp.Or(opts.PerHost, 4))
	opts.Timeout = cmp.Or(opts.Timeout, 30*time.Second)
	opts.Backoff = cmp.Or(opts.Backoff, 500*time.Millisecond)
	opts.UserAgent = cmp.Or(opts.UserAgent, "galley")
	if opts.Keychain == nil {
		opts.Keychain = authn.DefaultKeychain
	}
	r := &Resolver{opts: opts, cache: cache{dir: opts.CacheDir}, learned: learned{dir: opts.CacheDir}}
	r.wire = newWire(opts.Timeout, opts.Backoff, opts.PerHost, opts.MaxRequests)
	r.puller = sync.OnceValues(r.newPuller)
	return r
}

// newPuller is ggcr on top of the wire. It keeps one token for each repository.
// Its own retries are off: the wire's would be multiplied by them.
func (r *Resolver) newPuller() (*remote.Puller, error) {
	return remote.NewPuller(
		remote.WithTransport(r.wire),
		remote.WithAuthFromKeychain(keychain{r.opts.Keychain}),
		remote.WithUserAgent(r.opts.UserAgent),
		remote.WithJobs(256), // the wire bounds, for each host
		remote.WithRetryBackoff(remote.Backoff{Steps: 1}),
		remote.WithRetryStatusCodes(),
		remote.WithRetryPredicate(func(error) bool { return false }),
	)
}

// Stats is what was sent so far.
func (r *Resolver) Stats() Stats {
	return Stats{
		Heads: r.wire.heads.Load(), Gets: r.wire.gets.Load(), Auths: r.wire.auths.Load(),
		CacheHits: r.hits.Load(), Learned: r.unasked.Load(), Retries: r.wire.retries.Load(), CacheErrors: r.cacheErrors.Load(),
		Quotas: r.wire.quotas(),
	}
}

// Resolve asks what a reference names. A HEAD says which digest; when the facts
// about it are known that is all, else the manifests are fetched by digest and
// verified. A reference with a digest is resolved by that digest, whatever its
// tag names by now.
//
// Errors: ErrNoTag and malformed references are fault.Usage; what a registry
// does is an *Error, fault.Unavailable, or fault.Refused when bytes do not match
// a digest; a cancelled ctx is context.Canceled, fault.Interrupted.
func (r *Resolver) Resolve(ctx context.Context, ref string) (Image, error) {
	parsed, repo, err := r.target(ref)
	if err != nil {
		return Image{}, err
	}
	img, err := r.resolve(ctx, repo, parsed)
	for i := 0; i < 3 && gaveUp(err) && ctx.Err() == nil; i++ {
		// Another caller, whose token request this one shared, did.
		img, err = r.resolve(ctx, repo, parsed)
	}
	if err != nil {
		return Image{}, explain(ctx, hostName(repo), parsed, err)
	}
	return img, nil
}

func gaveUp(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// Close ends idle connections. The Resolver stays usable.
func (r *Resolver) Close() { r.wire.base.CloseIdleConnections() }

// resolve takes what was learned, if that is wanted, and else asks. An answer is
// kept before the facts are fetched: when a limit comes in between, the next run
// needs no second HEAD.
func (r *Resolver) resolve(ctx context.Context, repo name.Repository, ref Reference) (Image, error) {
	asked := askedName(repo, ref)
	if digest, ok := r.remembered(asked); ok {
		if known, ok := r.cache.get(ctx, digest); ok {
			r.unasked.Add(1)
			return known.image(ref, digest), nil
		}
		got, err := r.fetch(ctx, repo, ref, digest)
		if !missing(err) {
			return got.facts.image(ref, got.digest), err
		}
		// It moved since, and the registry cleaned up.
	}
	digest, err := r.head(ctx, repo, ref)
	if err != nil {
		return Image{}, err
	}
	if digest != "" {
		r.learn(answer{Ref: asked, Digest: digest, At: time.Now().Unix()})
	}
	if known, ok := r.cached(ctx, digest); ok {
		return known.image(ref, digest), nil
	}
	got, err := r.fetch(ctx, repo, ref, digest)
	if err != nil {
		return Image{}, err
	}
	if digest == "" {
		r.learn(answer{Ref: asked, Digest: got.digest, At: time.Now().Unix()})
	}
	return got.facts.image(ref, got.digest), nil
}

// cached looks a digest up; one that HEAD did not tell is not known.
func (r *Resolver) cached(ctx context.Context, digest string) (facts, bool) {
	if digest == "" {
		return facts{}, false
	}
	known, ok := r.cache.get(ctx, digest)
	if ok {
		r.hits.Add(1)
	}
	return known, ok
}

// head asks which digest a reference names; "" when the registry is one that
// cannot tell without sending the manifest.
func (r *Resolver) head(ctx context.Context, repo name.Repository, ref Reference) (string, error) {
	puller, err := r.puller()
	if err != nil {
		return "", err
	}
	desc, err := puller.Head(ctx, identify(repo, ref))
	var status *transport.Error
	switch {
	case err == nil && desc.Digest.Algorithm != "sha256":
		return "", badAnswer("names a %s digest, expected sha256", desc.Digest.Algorithm)
	case err == nil:
		return desc.Digest.String(), nil
	case errors.Is(err, errPoorHead):
		return ref.Digest, nil
	case errors.As(err, &status) && (status.StatusCode == http.StatusMethodNotAllowed || status.StatusCode == http.StatusNotImplemented):
		return ref.Digest, nil
	}
	return "", err
}

// getter asks the registry for documents by digest. What comes back was
// verified by the wire.
func (r *Resolver) getter(repo name.Repository) documents {
	return func(ctx context.Context, kind, digest string) ([]byte, error) {
		puller, err := r.puller()
		if err != nil {
			return nil, err
		}
		if kind == manifests {
			desc, err := puller.Get(ctx, repo.Digest(digest))
			if err != nil {
				return nil, err
			}
			return desc.Manifest, nil
		}
		layer, err := puller.Layer(ctx, repo.Digest(digest))
		if err != nil {
			return nil, err
		}
		body, err := layer.Compressed()
		if err != nil {
			return nil, err
		}
		defer body.Close()
		return io.ReadAll(io.LimitReader(body, maxDocument))
	}
}

// image is the facts as the answer about a reference.
func (f facts) image(ref Reference, digest string) Image {
	return Image{
		Reference: ref.tagged(), Digest: digest, MediaType: f.mediaType, Size: f.size,
		Children: append([]Child(nil), f.children...),
	}
}
