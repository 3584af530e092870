package catalogue

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"

	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/registry"
)

// errNotKept is in the chain when a catalogue is read offline and this machine
// does not have a file of it.
var errNotKept = errors.New("no copy is kept on this machine")

// unreachable marks the error of a host that gives no answer: what was read before
// may stand in. A host that gives another answer than it should is never that.
type unreachable struct{ error }

func (u unreachable) Unwrap() error { return u.error }

// isUnreachable tells a catalogue that does not answer from one that answers
// wrongly: with a certificate that is not right, with "no", with something that
// does not verify.
func isUnreachable(err error) bool {
	var certificate *tls.CertificateVerificationError
	if err == nil || fault.KindOf(err) != fault.Unavailable || errors.As(err, &certificate) {
		return false
	}
	var silent unreachable
	var of *registry.Error
	if errors.As(err, &of) {
		return of.Kind == registry.Unreachable || of.Kind == registry.Timeout || of.Kind == registry.RateLimited
	}
	return errors.As(err, &silent)
}

// goOffline goes on with what was read before. why is nil when nobody was asked.
func (c *Client) goOffline(ctx context.Context, dir string, root, anchor []byte, why error) error {
	state, read, err := trust.Local(ctx, dir, root, c.opts.Now)
	switch {
	case errors.Is(err, fs.ErrNotExist) && why != nil:
		return why
	case errors.Is(err, fs.ErrNotExist):
		return c.neverRead(false)
	case err != nil && why != nil: // what stands in the way is the network
		return fault.Hint(fault.New(fault.Unavailable, "%w; nothing can stand in: %v", why, err), "%s", fault.HintOf(why))
	case err != nil:
		return err
	}
	c.state = state
	c.setInfo(trust.Fingerprint(anchor), false)
	c.info.Offline, c.info.Read = true, read
	if why != nil {
		c.info.Reason = why.Error()
	}
	if cached, ok := c.from.(*cachedFetcher); ok {
		c.from = &cachedFetcher{offline{cached.fetcher}, cached.cache}
	} else {
		c.from = offline{c.from}
	}
	return nil
}

func (c *Client) neverRead(otherRoot bool) error {
	err := fault.New(fault.Unavailable, "it was never read on this machine, so there is nothing to go on with")
	if otherRoot {
		err = fault.New(fault.Unavailable, "what was read of it on this machine was trusted from another root than the pinned one")
	}
	return fault.Hint(err, "read it once while it can be reached, without --offline")
}

// notKept is the error of what an offline client cannot give.
func (c *Client) notKept(format string, args ...any) error {
	err := fault.New(fault.Unavailable, "reading catalogue %s offline: %s: %w", c.from.Location(), fmt.Sprintf(format, args...), errNotKept)
	return fault.Hint(err, "what was used before is; try again when the catalogue can be reached")
}

// offline is a catalogue that nobody asks.
type offline struct{ fetcher }

// Fetch is trust.Fetcher.
func (offline) Fetch(context.Context, string, int64) ([]byte, error) {
	return nil, fault.Wrap(fault.Unavailable, errNotKept)
}
