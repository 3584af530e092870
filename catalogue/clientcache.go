package catalogue

import (
	"cmp"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/catalogue/trust"
)

// DefaultCacheSize bounds what a Client keeps of content, in bytes: some ten
// thousand recipes' heads, entries and bundles.
const DefaultCacheSize = 256 << 20

// contentCache keeps content by its SHA-256, which is seen to again at every read:
// a file that was damaged or exchanged is as good as none. Nothing in it is missed
// when it is removed, so faults of the disk are no errors.
type contentCache struct {
	dir   string
	limit int64

	mu     sync.Mutex
	unseen int64 // bytes written since the size was last looked at; -1 before
}

func newContentCache(dir string, limit int64) *contentCache {
	return &contentCache{dir: dir, limit: cmp.Or(max(limit, 0), DefaultCacheSize), unseen: -1}
}

// get is the content with a hash, of at most limit bytes. Using it makes it young.
func (c *contentCache) get(sha256 string, limit int64) ([]byte, bool) {
	d, err := disk.Open(c.dir)
	if err != nil {
		return nil, false
	}
	defer d.Close()
	data, err := d.Read(sha256, limit)
	if err != nil {
		return nil, false
	}
	if hashOf(data) != sha256 {
		_ = d.Remove(sha256)
		return nil, false
	}
	now := time.Now()
	_ = os.Chtimes(filepath.Join(c.dir, sha256), now, now)
	return data, true
}

// put keeps content whose hash was seen to.
func (c *contentCache) put(sha256 string, data []byte) {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return
	}
	if err := trust.WriteFile(filepath.Join(c.dir, sha256), data); err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if first := c.unseen < 0; !first {
		c.unseen += int64(len(data))
		if c.unseen < c.limit/16 {
			return
		}
	}
	c.unseen = 0
	c.prune()
}

// abandoned is the age at which a file that is being written is one that a killed
// run left.
const abandoned = time.Hour

// prune removes what was used least lately until the rest is within the limit.
func (c *contentCache) prune() {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return
	}
	var files []fs.FileInfo
	size := int64(0)
	for _, e := range entries {
		info, err := e.Info()
		switch {
		case err != nil || !info.Mode().IsRegular():
		case hexSHA256.MatchString(e.Name()):
			files = append(files, info)
			size += info.Size()
		case time.Since(info.ModTime()) > abandoned:
			_ = os.Remove(filepath.Join(c.dir, e.Name()))
		}
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, info := range files {
		if size <= c.limit {
			return
		}
		_ = os.Remove(filepath.Join(c.dir, info.Name()))
		size -= info.Size()
	}
}

// cachedFetcher fetches what is named by its hash once.
type cachedFetcher struct {
	fetcher
	cache *contentCache
}

// Fetch is trust.Fetcher. What comes with another hash than its name's is handed
// on, for the caller to refuse, and not kept.
func (f *cachedFetcher) Fetch(ctx context.Context, name string, limit int64) ([]byte, error) {
	hash, ok := contentHash(name)
	if !ok {
		return f.fetcher.Fetch(ctx, name, limit)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if data, ok := f.cache.get(hash, limit); ok {
		return data, nil
	}
	data, err := f.fetcher.Fetch(ctx, name, limit)
	if err == nil && hashOf(data) == hash {
		f.cache.put(hash, data)
	}
	return data, err
}
