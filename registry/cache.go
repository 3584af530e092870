package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	cacheFormat  = 1
	maxCacheFile = 16 << 20
)

var errNotCached = errors.New("not in the cache")

// facts are what never changes about a digest.
type facts struct {
	mediaType string
	size      int64
	children  []Child
}

// cache keeps facts in memory and, with a folder, in one file for each digest.
// A file holds the documents themselves, not what was read out of them: each is
// verified by its digest and read again, so the folder needs no trust, and a
// damaged file is as good as none.
type cache struct {
	dir    string
	memory sync.Map // digest → facts
}

// record is a cache file.
type record struct {
	Format    int               `json:"format"`
	MediaType string            `json:"mediaType"`
	Documents map[string][]byte `json:"documents"` // digest → bytes
}

func (c *cache) get(ctx context.Context, digest string) (facts, bool) {
	if known, ok := c.memory.Load(digest); ok {
		return known.(facts), true
	}
	if c.dir == "" {
		return facts{}, false
	}
	known, err := c.read(ctx, digest)
	if err != nil {
		return facts{}, false
	}
	c.memory.Store(digest, known)
	return known, true
}

func (c *cache) read(ctx context.Context, digest string) (facts, error) {
	f, err := os.Open(c.path(digest))
	if err != nil {
		return facts{}, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxCacheFile))
	if err != nil {
		return facts{}, err
	}
	var rec record
	if err := json.Unmarshal(raw, &rec); err != nil {
		return facts{}, err
	}
	media := types.MediaType(rec.MediaType)
	if rec.Format != cacheFormat || !media.IsIndex() && !media.IsImage() {
		return facts{}, errNotCached
	}
	top, err := rec.document(ctx, manifests, digest)
	if err != nil {
		return facts{}, err
	}
	children, err := describe(ctx, rec.MediaType, top, rec.document)
	if err != nil {
		return facts{}, err
	}
	return facts{rec.MediaType, int64(len(top)), children}, nil
}

// document is a documents function over a cache file.
func (r record) document(_ context.Context, _, digest string) ([]byte, error) {
	doc, ok := r.Documents[digest]
	if !ok || digestOf(doc) != digest {
		return nil, errNotCached
	}
	return doc, nil
}

// put keeps the facts; with a folder also the documents they were read from.
func (c *cache) put(digest string, known facts, docs map[string][]byte) error {
	c.memory.Store(digest, known)
	if c.dir == "" {
		return nil
	}
	raw, err := json.Marshal(record{cacheFormat, known.mediaType, docs})
	if err != nil {
		return fmt.Errorf("caching %s: %w", digest, err)
	}
	if len(raw) >= maxCacheFile {
		return nil
	}
	if err := writeFile(c.path(digest), raw); err != nil {
		return fmt.Errorf("caching %s: %w", digest, err)
	}
	return nil
}

// path is the file of a digest: 256 folders, so that none grows large.
func (c *cache) path(digest string) string {
	hex := strings.TrimPrefix(digest, "sha256:")
	return filepath.Join(c.dir, "sha256", hex[:2], hex+".json")
}

// writeFile puts a file in place whole or not at all.
func writeFile(path string, raw []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(raw)
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}
