package catalogue

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

var hexSHA256 = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Bundle reads the files of an entry.
func (c *Client) Bundle(ctx context.Context, e *Entry) (fs.FS, error) {
	b := e.Bundle
	if !hexSHA256.MatchString(b.SHA256) || b.Size < 1 || b.Size > recipe.MaxBundleSize {
		return nil, c.wrap(fault.New(fault.Refused, "the entry of version %q names no bundle that can be", e.Version))
	}
	data, err := c.from.Fetch(ctx, b.Path(), b.Size)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, c.wrap(fault.New(fault.Refused, "%s is missing", b.Path()))
	case errors.Is(err, disk.ErrTooLarge):
		return nil, c.wrap(fault.New(fault.Refused, "%s is longer than the %d bytes of its entry", b.Path(), b.Size))
	case err != nil:
		return nil, c.wrap(fmt.Errorf("reading %s: %w", b.Path(), err))
	}
	if err := checkBundle(b, data); err != nil {
		return nil, c.wrap(fault.New(fault.Refused, "%s %w", b.Path(), err))
	}
	files, err := recipe.ReadBundle(data)
	if err != nil {
		return nil, c.wrap(fault.New(fault.Refused, "%s: %w", b.Path(), err))
	}
	return files, nil
}

func checkBundle(b Bundle, data []byte) error {
	if hashOf(data) == b.SHA256 && int64(len(data)) == b.Size {
		return nil
	}
	if looksLikeHTML(data) {
		return errors.New("is an HTML page, not a bundle")
	}
	if int64(len(data)) != b.Size {
		return fmt.Errorf("has %d bytes, expected %d", len(data), b.Size)
	}
	return errors.New("is not the file that its name says: wrong hash")
}
