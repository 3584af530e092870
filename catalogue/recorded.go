package catalogue

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

// Recorded reads entries by their hash alone, for who has the hash from a place
// that he trusts: the history of a stack, which was written when the entry's
// catalogue was verified. Metadata plays no part in it. What expired, went back or
// withdrew a version since cannot change what a hash names, so a way back stays
// open when the way forward is closed.
//
// It says nothing of whether a version may be deployed anew: only a Client can.
type Recorded struct{ from []fetcher }

// OpenRecorded names the catalogues that are asked, in their order. One that cannot
// be reached is passed over: content that was read before is in the cache. A
// location that is none is among the errors of Entry.
func OpenRecorded(locations []string, opts ClientOptions) *Recorded {
	if opts.Timeout <= 0 {
		opts.Timeout = DefaultTimeout
	}
	r := &Recorded{}
	if len(locations) == 0 && opts.CacheDir != "" {
		nobody := failing{"of this machine", fault.New(fault.Unavailable, "no catalogue is named, and no copy is kept")}
		r.from = append(r.from, &cachedFetcher{nobody, newContentCache(opts.CacheDir, opts.CacheSize)})
	}
	for _, location := range locations {
		address, _, err := SplitPin(location)
		if err != nil {
			r.from = append(r.from, failing{location, err})
			continue
		}
		from, err := openFetcher(address, opts.HTTP, opts.Timeout)
		if err != nil {
			from = failing{shownAddress(address), err}
		} else if opts.Offline {
			if _, isFolder := from.(folderFetcher); !isFolder {
				from = offline{from}
			}
		}
		if opts.CacheDir != "" { // a folder that is gone may have been read before
			from = &cachedFetcher{from, newContentCache(opts.CacheDir, opts.CacheSize)}
		}
		r.from = append(r.from, from)
	}
	return r
}

// failing stands for a catalogue that cannot even be named.
type failing struct {
	location string
	err      error
}

func (f failing) Location() string                                     { return f.location }
func (f failing) Close() error                                         { return nil }
func (f failing) Fetch(context.Context, string, int64) ([]byte, error) { return nil, f.err }

// Close frees what OpenRecorded took.
func (r *Recorded) Close() error {
	var all error
	for _, from := range r.from {
		all = errors.Join(all, from.Close())
	}
	return all
}

// Entry reads the entry of a recipe's version that was recorded under a hash, 64
// hex digits. Bytes with another hash are refused, and so is an entry about
// something else.
func (r *Recorded) Entry(ctx context.Context, name, version, sha256 string) (*Entry, error) {
	if !hexSHA256.MatchString(sha256) {
		return nil, fault.New(fault.Refused, "entry %q is no SHA-256; expected 64 hex digits", cleanLine(sha256, maxName))
	}
	data, err := r.content(ctx, entryPath(sha256), maxEntry, func(data []byte) error {
		if hashOf(data) != sha256 {
			return wrongHash(data, errWrongName.Error())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	e, err := decodeEntry(name, version, data)
	if err != nil {
		return nil, refused("%s %w", entryPath(sha256), err)
	}
	return e, nil
}

// Bundle reads the files of an entry.
func (r *Recorded) Bundle(ctx context.Context, e *Entry) (fs.FS, error) {
	b := e.Bundle
	if !hexSHA256.MatchString(b.SHA256) || b.Size < 1 || b.Size > recipe.MaxBundleSize {
		return nil, refused("the entry of version %q names no bundle that can be", e.Version)
	}
	data, err := r.content(ctx, b.Path(), b.Size, func(data []byte) error { return checkBundle(b, data) })
	if err != nil {
		return nil, err
	}
	files, err := recipe.ReadBundle(data)
	if err != nil {
		return nil, refused("%s: %w", b.Path(), err)
	}
	return files, nil
}

// content asks one catalogue after the other for a file that is named by its hash.
func (r *Recorded) content(ctx context.Context, path string, limit int64, check func([]byte) error) ([]byte, error) {
	failed := fault.New(fault.Unavailable, "no catalogue is named")
	for i, from := range r.from {
		data, err := from.Fetch(ctx, path, limit)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, fs.ErrNotExist):
			err = errors.New("it is not there")
		case err == nil:
			if err = check(data); err == nil {
				return data, nil
			}
			err = fault.New(fault.Refused, "%s %w", path, err)
		}
		err = fmt.Errorf("reading catalogue %s: %w", from.Location(), err)
		if i == 0 {
			failed = err
			continue
		}
		failed = fmt.Errorf("%w; %w", failed, err)
	}
	return nil, fmt.Errorf("reading %s, which was deployed before: %w", path, failed)
}
