package catalogue

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"

	"github.com/galley-coop/galley/recipe"
)

var hexSHA256 = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Bundle reads the files of an entry.
func (c *Client) Bundle(ctx context.Context, e *Entry) (fs.FS, error) {
	data, err := c.bundle(ctx, e)
	if err != nil {
		return nil, err
	}
	files, err := recipe.ReadBundle(data)
	if err != nil {
		return nil, c.wrap(refused("%s: %w", e.Bundle.Path(), err))
	}
	return files, nil
}

// bundle reads a bundle's bytes, verified.
func (c *Client) bundle(ctx context.Context, e *Entry) ([]byte, error) {
	b := e.Bundle
	if !hexSHA256.MatchString(b.SHA256) || b.Size < 1 || b.Size > recipe.MaxBundleSize {
		return nil, c.wrap(refused("the entry of version %q names no bundle that can be", e.Version))
	}
	data, err := c.content(ctx, b.Path(), b.Size)
	if errors.Is(err, errNotKept) {
		return nil, c.notKept("the files of version %s", e.Version)
	}
	if err != nil {
		return nil, c.wrap(err)
	}
	if err := checkBundle(b, data); err != nil {
		return nil, c.wrap(refused("%s %w", b.Path(), err))
	}
	return data, nil
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
	return errWrongName
}
