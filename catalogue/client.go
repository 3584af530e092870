package catalogue

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

// ErrNotPublished is in the chain of errors about a recipe or a version that a
// catalogue, verified, does not have.
var ErrNotPublished = errors.New("not in the catalogue")

// ClientOptions say how a Client reads and what it trusts.
type ClientOptions struct {
	// StateDir keeps, for each location, the trusted root and the highest
	// metadata seen. Without it nothing is remembered: an older catalogue than
	// seen before is not noticed, and the first root is trusted every time.
	StateDir string
	// CacheDir keeps verified content by its hash: what did not change is not
	// fetched again, and stands in when the catalogue cannot be reached. "" keeps
	// none. It may be shared and may be removed at any time.
	CacheDir string
	// CacheSize bounds CacheDir, in bytes; DefaultCacheSize when zero.
	CacheSize int64
	// Offline asks for what StateDir and CacheDir hold, without trying the network.
	// A folder is read as always.
	Offline bool
	// Root is a pinned root metadata file. Nil means trust on first use: the
	// first root that the catalogue shows is kept, and Info tells its fingerprint.
	Root []byte
	// Fingerprint, instead of Root, pins the first root that the catalogue shows:
	// its SHA-256 in hex. An address may carry it too: "#sha256:<fingerprint>".
	Fingerprint string
	// HTTP is used for http and https; nil means a client of its own.
	HTTP *http.Client
	// Now is the moment for expiry; zero means the clock.
	Now time.Time
	// Timeout is of one request, body included; DefaultTimeout when zero.
	Timeout time.Duration
	// MaxTarget is the largest index or recipe file, in bytes; 64 MiB when zero.
	MaxTarget int64
}

// Client reads one catalogue. Everything it hands out is verified; what does not
// verify is fault.Refused and names the file, what cannot be had is
// fault.Unavailable. It may be used from any goroutine.
type Client struct {
	from  fetcher
	opts  ClientOptions
	state *trust.State
	info  Info
}

// Open reads and verifies the metadata of the catalogue at location: an https,
// http or oci address, or a folder; "#sha256:<fingerprint>" behind it pins its
// first root.
//
// A catalogue of the network that was read before and does not answer now is open
// as Info.Offline, as long as what was read has not expired. One that answers and
// does not verify is refused, always.
func Open(ctx context.Context, location string, opts ClientOptions) (*Client, error) {
	if opts.Timeout <= 0 {
		opts.Timeout = DefaultTimeout
	}
	if opts.MaxTarget <= 0 {
		opts.MaxTarget = 64 << 20
	}
	if opts.Now.IsZero() {
		opts.Now = time.Now()
	}
	location, err := opts.pin(location)
	if err != nil {
		return nil, err
	}
	from, err := openFetcher(location, opts.HTTP, opts.Timeout)
	if err != nil {
		return nil, err
	}
	if _, isFolder := from.(folderFetcher); isFolder {
		opts.Offline = false
	} else if opts.CacheDir != "" {
		from = &cachedFetcher{from, newContentCache(opts.CacheDir, opts.CacheSize)}
	}
	c := &Client{from: from, opts: opts}
	if err := c.refresh(ctx); err != nil {
		return nil, errors.Join(c.wrap(err), from.Close())
	}
	return c, nil
}

// refused is the error of what does not verify.
func refused(format string, args ...any) error {
	return fault.Hint(fault.New(fault.Refused, format, args...), "tell the publisher; nothing was changed")
}

// wrap names the catalogue. Kinds and hints travel along.
func (c *Client) wrap(err error) error {
	return fmt.Errorf("reading catalogue %s: %w", c.from.Location(), err)
}

// Close frees what Open took.
func (c *Client) Close() error { return c.from.Close() }

// Info tells what is trusted.
func (c *Client) Info() Info { return c.info }

// target reads a verified target, fs.ErrNotExist when there is none of that name.
func (c *Client) target(ctx context.Context, name string) ([]byte, error) {
	f, ok, err := c.state.Target(ctx, c.from, name)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fs.ErrNotExist
	}
	if f.Length > c.opts.MaxTarget {
		return nil, refused("%s has %d bytes, expected at most %d", name, f.Length, c.opts.MaxTarget)
	}
	return c.state.Fetch(ctx, c.from, name)
}

// Index reads the list of recipes.
func (c *Client) Index(ctx context.Context) (*Index, error) {
	data, err := c.target(ctx, indexName)
	if errors.Is(err, errNotKept) {
		return nil, c.notKept("the list of recipes")
	}
	if err != nil {
		return nil, c.wrap(missingTarget(indexName, err))
	}
	index, err := decodeIndex(data)
	if err != nil {
		return nil, c.wrap(refused("%s %w", indexName, err))
	}
	return index, nil
}

func missingTarget(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return refused("%s is not among what was signed", name)
	}
	return err
}

// Recipe reads the head of one recipe: all its versions. ErrNotPublished comes
// with names that are like it.
func (c *Client) Recipe(ctx context.Context, name string) (*Recipe, error) {
	if err := recipe.ValidRecipeName(name); err != nil {
		return nil, fault.Wrap(fault.Usage, err)
	}
	path := recipePath(name)
	data, err := c.target(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, c.unknownRecipe(ctx, name)
	}
	if errors.Is(err, errNotKept) {
		return nil, c.notKept("recipe %q", name)
	}
	if err != nil {
		return nil, c.wrap(err)
	}
	r, err := decodeRecipe(name, data)
	if err != nil {
		return nil, c.wrap(refused("%s %w", path, err))
	}
	return r, nil
}

func (c *Client) unknownRecipe(ctx context.Context, name string) error {
	unknown := fault.New(fault.Unavailable, "recipe %q is %w %s", name, ErrNotPublished, c.from.Location())
	index, err := c.Index(ctx)
	if errors.Is(err, errNotKept) {
		return fault.Hint(unknown, "galley catalogue search lists what it has, when it can be reached")
	}
	if err != nil {
		return err
	}
	var names []string
	for _, item := range index.Recipes {
		names = append(names, item.Name)
	}
	if like := fault.Near(name, names); len(like) > 0 {
		return fault.Hint(unknown, "did you mean %s?", strings.Join(like, ", "))
	}
	return fault.Hint(unknown, "galley catalogue search lists what it has")
}

// Entry reads one version of a recipe, the newest that is not withdrawn when
// version is "". A withdrawn version is given when it is asked for: somebody may
// run it. Release tells.
func (c *Client) Entry(ctx context.Context, name, version string) (*Recipe, *Entry, error) {
	r, err := c.Recipe(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	release := r.Newest()
	if version != "" {
		release = r.Release(version)
	}
	switch {
	case release == nil && version == "":
		last := r.Versions[len(r.Versions)-1]
		err := fault.New(fault.Refused, "all %d versions of recipe %q are withdrawn; the last one, %s: %s", len(r.Versions), name, last.Version, last.Withdrawn)
		return nil, nil, fault.Hint(err, "ask the publisher, or name a version")
	case release == nil:
		return nil, nil, c.unknownVersion(r, version)
	}
	e, _, err := c.entry(ctx, name, *release)
	return r, e, err
}

func (c *Client) unknownVersion(r *Recipe, version string) error {
	err := fault.New(fault.Unavailable, "version %q of recipe %q is %w %s", version, r.Name, ErrNotPublished, c.from.Location())
	return fault.Hint(err, "%s", r.suggest(version))
}

// Entries reads all versions of a recipe, ascending, several at a time.
func (c *Client) Entries(ctx context.Context, r *Recipe) ([]*Entry, error) {
	entries := make([]*Entry, len(r.Versions))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxAtOnce)
	for i, release := range r.Versions {
		group.Go(func() (err error) {
			entries[i], _, err = c.entry(ctx, r.Name, release)
			return err
		})
	}
	return entries, group.Wait()
}

// maxAtOnce bounds the requests of one Client that are under way.
const maxAtOnce = 8

// entry reads the entry that a recipe's verified head names, with its bytes.
func (c *Client) entry(ctx context.Context, name string, release Release) (*Entry, []byte, error) {
	path := entryPath(release.Entry)
	data, err := c.content(ctx, path, maxEntry)
	if errors.Is(err, errNotKept) {
		return nil, nil, c.notKept("recipe %q %s", name, release.Version)
	}
	if err != nil {
		return nil, nil, c.wrap(err)
	}
	if hashOf(data) != release.Entry {
		return nil, nil, c.wrap(refused("%s %w", path, wrongHash(data, errWrongName.Error())))
	}
	e, err := decodeEntry(name, release.Version, data)
	if err != nil {
		return nil, nil, c.wrap(refused("%s %w", path, err))
	}
	return e, data, nil
}

// content fetches a file that is named by its hash, which the caller checks.
func (c *Client) content(ctx context.Context, path string, limit int64) ([]byte, error) {
	data, err := c.from.Fetch(ctx, path, limit)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, refused("%s is missing", path)
	case errors.Is(err, disk.ErrTooLarge):
		return nil, refused("%s is longer than the %d bytes it may have", path, limit)
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return data, nil
}

// suggest names versions that may be meant, the newest otherwise.
func (r *Recipe) suggest(version string) string {
	var names []string
	for i := range r.Versions {
		names = append(names, r.Versions[len(r.Versions)-1-i].Version)
	}
	if like := fault.Near(version, names); len(like) > 0 {
		return "did you mean " + strings.Join(like, ", ") + "?"
	}
	return "the newest are " + strings.Join(names[:min(3, len(names))], ", ")
}

// Versions lists the published versions of a recipe, ascending; none for one
// that the catalogue does not have.
func (c *Client) Versions(ctx context.Context, name string) ([]string, error) {
	if _, ok, err := c.state.Target(ctx, c.from, recipePath(name)); err != nil {
		return nil, c.wrap(err)
	} else if !ok {
		return nil, nil
	}
	r, err := c.Recipe(ctx, name)
	if err != nil {
		return nil, err
	}
	var versions []string
	for i := range r.Versions {
		versions = append(versions, r.Versions[i].Version)
	}
	return versions, nil
}
