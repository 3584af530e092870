package catalogue

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
)

// RefreshOptions say what is kept alive.
type RefreshOptions struct {
	Public string // folder that Sign published
	Keys   string // folder with the timestamp's key; no other is needed
	// Root is the newest root; that in Public when empty. The keys that it names
	// are the ones that count either way.
	Root   string
	Expiry trust.Expiry // trust.DefaultExpiry where zero
	Now    time.Time    // zero means the clock
	// Passphrase is asked for a key that has one.
	Passphrase trust.Passphrase
}

// Refresh signs a new timestamp for what is published, and nothing else. It is
// fault.Refused when a timestamp does not help: see trust.PrepareTimestamp.
func Refresh(ctx context.Context, opts RefreshOptions) (_ *Signed, err error) {
	if opts.Now.IsZero() {
		opts.Now = time.Now()
	}
	opts.Expiry = completeExpiry(opts.Expiry)
	public, err := disk.Open(opts.Public)
	if err != nil {
		return nil, fault.Hint(fmt.Errorf("refreshing: %w", err), "galley catalogue sign publishes a catalogue")
	}
	defer func() { err = errors.Join(err, public.Close()) }()
	unlock, err := lockFolder(ctx, opts.Public)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	prepare := trust.PublishOptions{
		Public: public, KeysDir: opts.Keys, Passphrase: opts.Passphrase, RootName: opts.Root, Expiry: opts.Expiry, Now: opts.Now,
	}
	if opts.Root == "" {
		opts.Root = newestRoot(public)
		prepare.RootName = opts.Root
	} else if prepare.Earlier, err = earlierRoots(opts.Root); err != nil {
		return nil, err
	}
	if prepare.Root, err = readRoot(opts.Root); err != nil {
		return nil, err
	}
	publication, err := trust.PrepareTimestamp(prepare)
	if err != nil {
		return nil, err
	}
	if err := publication.Write(public); err != nil {
		return nil, fmt.Errorf("refreshing: %w", err)
	}
	return signedOf(publication, opts.Expiry, opts.Now), public.Sweep()
}

// newestRoot is the file of the last published root. The copy without a number may
// be older: a killed run did not come to it.
func newestRoot(public *disk.Dir) string {
	name := trust.RootCopyName
	for version := int64(1); version <= trust.MaxRoots && public.Exists(trust.Name(trust.Root, version)); version++ {
		name = trust.Name(trust.Root, version)
	}
	return filepath.Join(public.Name(), filepath.FromSlash(name))
}
