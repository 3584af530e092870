package catalogue

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

// Readable is a catalogue that Diff reads: a *Client, or an *Unsigned.
type Readable interface {
	Index(ctx context.Context) (*Index, error)
	Recipe(ctx context.Context, name string) (*Recipe, error)

	// headHash is the SHA-256 of a recipe's head, "" for one that is not there. It
	// costs no request for the head itself.
	headHash(ctx context.Context, name string) (string, error)
	entry(ctx context.Context, name string, release Release) (*Entry, []byte, error)
	side() DiffSide
}

func (c *Client) headHash(ctx context.Context, name string) (string, error) {
	f, ok, err := c.state.Target(ctx, c.from, recipePath(name))
	if err != nil {
		return "", c.wrap(err)
	}
	if !ok {
		return "", nil
	}
	return f.SHA256, nil
}

func (c *Client) side() DiffSide {
	return DiffSide{
		Location: c.info.Location, Signed: true,
		Fingerprint: c.info.Fingerprint, Version: c.info.Timestamp.Version,
	}
}

// Unsigned is a build's folder, read as it stands: its files fit their schemas
// and their names, and nobody vouches for them. It is for comparing; nothing is
// deployed from it. It may be used from any goroutine.
type Unsigned struct{ dir *disk.Dir }

// IsUnsigned tells a folder that galley catalogue build wrote from a published
// catalogue: it has an index and no timestamp.
func IsUnsigned(location string) bool {
	if strings.Contains(location, "://") {
		return false
	}
	dir, err := disk.Open(location)
	if err != nil {
		return false
	}
	defer dir.Close()
	return dir.Exists(indexName) && !dir.Exists(trust.TimestampName)
}

// OpenUnsigned opens a build's folder.
func OpenUnsigned(name string) (*Unsigned, error) {
	dir, err := disk.Open(name)
	if err != nil {
		return nil, fault.Hint(fmt.Errorf("opening the unsigned catalogue: %w", err), "galley catalogue build makes it")
	}
	return &Unsigned{dir}, nil
}

// Close frees the folder.
func (u *Unsigned) Close() error { return u.dir.Close() }

func (u *Unsigned) side() DiffSide { return DiffSide{Location: u.dir.Name()} }

// wrap names the folder. What stands in it and is wrong was written by no build.
func (u *Unsigned) wrap(name string, err error) error {
	return fmt.Errorf("reading the unsigned catalogue %s: %s: %w", u.dir.Name(), name, err)
}

// read reads a file. Without a snapshot nothing says that it must be there, so
// that is its caller's to tell.
func (u *Unsigned) read(ctx context.Context, name string, limit int64) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fault.Wrap(fault.Interrupted, err)
	}
	return u.dir.Read(name, limit)
}

// Index reads the list of recipes.
func (u *Unsigned) Index(ctx context.Context) (*Index, error) {
	data, err := u.read(ctx, indexName, maxTargetFile)
	if err != nil {
		return nil, u.wrap(indexName, err)
	}
	index, err := decodeIndex(data)
	if err != nil {
		return nil, u.wrap(indexName, fault.Wrap(fault.Refused, err))
	}
	return index, nil
}

// Recipe reads the head of one recipe, ErrNotPublished for one that is not there.
func (u *Unsigned) Recipe(ctx context.Context, name string) (*Recipe, error) {
	if err := recipe.ValidRecipeName(name); err != nil {
		return nil, fault.Wrap(fault.Usage, err)
	}
	data, err := u.read(ctx, recipePath(name), maxTargetFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Unavailable, "recipe %q is %w %s", name, ErrNotPublished, u.dir.Name())
	}
	if err != nil {
		return nil, u.wrap(recipePath(name), err)
	}
	r, err := decodeRecipe(name, data)
	if err != nil {
		return nil, u.wrap(recipePath(name), fault.Wrap(fault.Refused, err))
	}
	return r, nil
}

func (u *Unsigned) headHash(ctx context.Context, name string) (string, error) {
	data, err := u.read(ctx, recipePath(name), maxTargetFile)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", u.wrap(recipePath(name), err)
	}
	return hashOf(data), nil
}

func (u *Unsigned) entry(ctx context.Context, name string, release Release) (*Entry, []byte, error) {
	path := entryPath(release.Entry)
	data, err := u.read(ctx, path, maxEntry)
	if err == nil && hashOf(data) != release.Entry {
		err = fault.Wrap(fault.Refused, errWrongName)
	}
	if err != nil {
		return nil, nil, u.wrap(path, err)
	}
	e, err := decodeEntry(name, release.Version, data)
	if err != nil {
		return nil, nil, u.wrap(path, fault.Wrap(fault.Refused, err))
	}
	return e, data, nil
}
