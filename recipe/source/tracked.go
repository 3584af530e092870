package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/index"

	"github.com/galley-coop/galley/internal/fault"
)

// The largest index that is read: its size in bytes, and the files it lists.
const (
	maxIndex        = 64 << 20
	maxIndexEntries = 500_000
)

// Tracked are the paths that git tracks in a work tree, slash-separated and
// relative to its top (Root): those of the index, staged or committed. A
// submodule is there as one path. It is read anew at each call.
//
// A repository without an index tracks nothing. The index of a bare repository
// and one that is split in two (core.splitIndex) are errors.
func (r *Repository) Tracked(ctx context.Context) (map[string]bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if isBare(r.root) {
		return nil, fault.New(fault.Usage, "listing the tracked files of %q: it is a bare repository, without a work tree", r.source)
	}
	read, err := r.index()
	if err != nil {
		err = fmt.Errorf("listing the tracked files of %q: %w", r.source, r.source.clean(err))
		return nil, fault.Hint(err, "check it with: git -C %s status", r.root)
	}
	tracked := make(map[string]bool, len(read.Entries))
	for _, e := range read.Entries {
		if e.Mode != filemode.Dir && fs.ValidPath(e.Name) {
			tracked[e.Name] = true
		}
	}
	return tracked, nil
}

func (r *Repository) index() (_ *index.Index, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer catch(&err)
	info, err := r.storer.Filesystem().Stat("index")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &index.Index{}, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() || info.Size() > maxIndex:
		return nil, fmt.Errorf("the index has %d bytes, expected a file of at most %d", info.Size(), maxIndex)
	}
	read, err := r.storer.Index()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if len(read.Entries) > maxIndexEntries {
		return nil, fmt.Errorf("the index lists %d files, expected at most %d", len(read.Entries), maxIndexEntries)
	}
	if slices.ContainsFunc(read.Entries, func(e *index.Entry) bool { return e == nil }) {
		return nil, fmt.Errorf("%w: an entry of the index is empty", ErrCorrupt)
	}
	return read, nil
}
