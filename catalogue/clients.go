package catalogue

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
)

// Clients are several catalogues, in the order of their priority: a recipe comes
// from the first that has it. Each is opened when it is needed. One that cannot be
// opened or does not verify is an error: going on to the next would let whoever
// can keep the first from answering choose the recipe's publisher.
type Clients struct {
	locations []string
	opts      ClientOptions
	opened    func(*Client)
	open      []*Client // the first ones of locations
}

// NewClients names catalogues. opened, unless nil, is told of each that was
// opened. A Root can be pinned for a single one; with several, their addresses
// carry fingerprints.
func NewClients(locations []string, opts ClientOptions, opened func(*Client)) (*Clients, error) {
	switch {
	case len(locations) == 0:
		return nil, fault.New(fault.Usage, "no catalogue is named")
	case len(locations) > 1 && opts.Root != nil:
		err := fault.New(fault.Usage, "one root is pinned for %d catalogues", len(locations))
		return nil, fault.Hint(err, "pin each in its address: %s%s<fingerprint of its first root>", shownAddress(locations[0]), pinMark)
	}
	if opened == nil {
		opened = func(*Client) {}
	}
	return &Clients{locations: locations, opts: opts, opened: opened}, nil
}

// Len is how many catalogues are named.
func (c *Clients) Len() int { return len(c.locations) }

// At is the i-th catalogue, opened.
func (c *Clients) At(ctx context.Context, i int) (*Client, error) {
	for len(c.open) <= i {
		client, err := Open(ctx, c.locations[len(c.open)], c.opts)
		if err != nil && len(c.open) < len(c.locations)-1 {
			err = fault.Hint(err, "%s; the catalogues behind it are not asked in its place", cmp.Or(fault.HintOf(err), "see to it"))
		}
		if err != nil {
			return nil, err
		}
		c.open = append(c.open, client)
		c.opened(client)
	}
	return c.open[i], nil
}

// Opened are the catalogues that were opened so far.
func (c *Clients) Opened() []*Client { return slices.Clone(c.open) }

// Close frees what was opened.
func (c *Clients) Close() error {
	var all error
	for _, client := range c.open {
		all = errors.Join(all, client.Close())
	}
	return all
}

// For is the catalogue that a recipe is read from: the one that from names, by its
// own name or its address, or else the first that has the recipe. A catalogue that
// had it, when it was used from there on this machine, and has it no more is
// refused: another publisher's recipe of that name is not its next version.
func (c *Clients) For(ctx context.Context, from, recipe string) (*Client, error) {
	if from != "" {
		return c.named(ctx, from)
	}
	if len(c.locations) == 1 {
		return c.At(ctx, 0)
	}
	for i := range c.locations {
		client, err := c.At(ctx, i)
		if err != nil {
			return nil, err
		}
		has, err := client.has(ctx, recipe)
		if err != nil {
			return nil, err
		}
		if has {
			return client, client.use(recipe)
		}
		if client.used(recipe) {
			err := fault.New(fault.Refused, "recipe %q was used from catalogue %s, which does not have it any more", recipe, client.from.Location())
			return nil, fault.Hint(err, "ask its publisher; --from NAME takes the recipe of another catalogue")
		}
	}
	return nil, c.unknown(ctx, recipe)
}

func (c *Clients) unknown(ctx context.Context, recipe string) error {
	var names, locations []string
	for _, client := range c.open {
		locations = append(locations, client.from.Location())
		index, err := client.Index(ctx)
		if err != nil {
			continue // the names are for a hint only
		}
		for _, item := range index.Recipes {
			names = append(names, item.Name)
		}
	}
	err := fault.New(fault.Unavailable, "recipe %q is %w %s", recipe, ErrNotPublished, strings.Join(locations, ", nor in "))
	if like := fault.Near(recipe, names); len(like) > 0 {
		return fault.Hint(err, "did you mean %s?", strings.Join(like, ", "))
	}
	return fault.Hint(err, "galley catalogue search lists what they have")
}

// named looks at addresses first, so that nothing has to be opened for them. Of
// two that give themselves the same name, the first has it.
func (c *Clients) named(ctx context.Context, name string) (*Client, error) {
	for i, location := range c.locations {
		address, _, err := SplitPin(location)
		if err != nil {
			return nil, err
		}
		if address == name || shownAddress(address) == name {
			return c.alone(ctx, i)
		}
	}
	var names []string
	for i := range c.locations {
		client, err := c.At(ctx, i)
		if err != nil {
			return nil, err
		}
		index, err := client.Index(ctx)
		if err != nil {
			return nil, err
		}
		if index.Name == name {
			return client, nil
		}
		names = append(names, index.Name)
	}
	err := fault.New(fault.Usage, "none of the catalogues is named %q", name)
	return nil, fault.Hint(err, "they are %s", strings.Join(names, ", "))
}

// alone opens one catalogue and none before it.
func (c *Clients) alone(ctx context.Context, i int) (*Client, error) {
	if i < len(c.open) {
		return c.open[i], nil
	}
	c.locations, c.open = []string{c.locations[i]}, nil
	return c.At(ctx, 0)
}

// has tells whether a verified catalogue has a recipe.
func (c *Client) has(ctx context.Context, recipe string) (bool, error) {
	_, ok, err := c.state.Target(ctx, c.from, recipePath(recipe))
	if errors.Is(err, errNotKept) {
		return false, c.notKept("whether it has recipe %q", recipe)
	}
	if err != nil {
		return false, c.wrap(err)
	}
	return ok, nil
}

// maxUsed bounds the file of recipes that were used from a catalogue, in bytes.
const maxUsed = 1 << 20

func (c *Client) usedFile() string {
	return filepath.Join(c.opts.StateDir, stateName(c.from.Location())+".used")
}

// used tells whether a recipe was ever read from this catalogue on this machine.
func (c *Client) used(recipe string) bool {
	if c.opts.StateDir == "" {
		return false
	}
	data, err := os.ReadFile(c.usedFile())
	return err == nil && slices.Contains(strings.Split(string(data), "\n"), recipe)
}

// use remembers that a recipe comes from this catalogue.
func (c *Client) use(recipe string) error {
	if c.opts.StateDir == "" || c.used(recipe) {
		return nil
	}
	f, err := os.OpenFile(c.usedFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return trust.KeepError(c.opts.StateDir, err)
	}
	info, err := f.Stat()
	if err == nil && info.Size() < maxUsed {
		_, err = f.WriteString(recipe + "\n") // one write: other galleys append too
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return trust.KeepError(c.opts.StateDir, err)
	}
	return nil
}

// Same tells whether this catalogue is the one whose chain of roots has a root
// with that fingerprint: two machines may have come to trust it at different ones.
// It reads the roots from the first on; each must follow from the one before, and
// this client's own must be among them.
func (c *Client) Same(ctx context.Context, fingerprint string) (bool, error) {
	if fingerprint == c.info.Fingerprint {
		return true, nil
	}
	if c.info.Offline {
		return false, nil
	}
	var chain *trust.Chain
	found, own := false, false
	for version := int64(1); version <= c.info.Root.Version; version++ {
		name := trust.Name(trust.Root, version)
		data, err := c.content(ctx, name, trust.MaxLength(trust.Root))
		if err != nil {
			return false, c.wrap(err)
		}
		if chain == nil {
			chain, err = trust.NewChain(data)
		} else {
			err = chain.Add(data)
		}
		if err != nil {
			return false, c.wrap(refused("%s %w", name, err))
		}
		found = found || trust.Fingerprint(data) == fingerprint
		own = own || trust.Fingerprint(data) == c.info.Fingerprint
	}
	return found && own, nil
}
