package source

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

// The largest objects that are read, in bytes.
const (
	maxTextObject = 1 << 20 // a commit or a tag with its message
	maxTreeObject = 4 << 20 // one folder: about 100,000 entries
	maxBlob       = recipe.MaxBundleFileSize
)

// maxPeel is how many tags may stand between a ref and its commit.
const maxPeel = 5

// read returns an object whose bytes are those its hash names. go-git takes a
// loose object's or a pack index's word for it; a recipe's files are trusted by
// their commit, so the bytes are hashed here.
func (r *Repository) read(h plumbing.Hash, limit func(plumbing.ObjectType) int64) (*plumbing.MemoryObject, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if obj, ok := r.kept.get(h, limit); ok {
		return obj, nil
	}
	obj, err := r.readLocked(h, limit)
	if err == nil {
		r.kept.add(h, obj)
	}
	if err == nil || errors.Is(err, errTooLarge) {
		return obj, err
	}
	// git may have repacked since the packs were listed: look once more.
	r.storer.Reindex()
	for _, s := range r.borrowed {
		s.Reindex()
	}
	obj, err = r.readLocked(h, limit)
	if err != nil && !errors.Is(err, errTooLarge) {
		err = r.corrupt(h, err)
	}
	return obj, err
}

var errTooLarge = errors.New("object is too large")

func (r *Repository) readLocked(h plumbing.Hash, limit func(plumbing.ObjectType) int64) (obj *plumbing.MemoryObject, err error) {
	defer catch(&err)
	err = r.inStores(func(s *filesystem.ObjectStorage) (err error) {
		obj, err = readFrom(s, h, limit)
		return err
	})
	return obj, err
}

func readFrom(storer *filesystem.ObjectStorage, h plumbing.Hash, limit func(plumbing.ObjectType) int64) (*plumbing.MemoryObject, error) {
	size, err := storer.EncodedObjectSize(h)
	if err != nil {
		return nil, err
	}
	// The type is known after reading only, so the widest limit goes first.
	if size > maxBlob {
		return nil, fmt.Errorf("%w: %s has %d bytes, expected at most %d", errTooLarge, h, size, maxBlob)
	}
	stored, err := storer.EncodedObject(plumbing.AnyObject, h)
	if err != nil {
		return nil, err
	}
	if most := limit(stored.Type()); size > most {
		return nil, fmt.Errorf("%w: %s %s has %d bytes, expected at most %d", errTooLarge, stored.Type(), h, size, most)
	}
	return copyVerified(stored, h, size)
}

func copyVerified(stored plumbing.EncodedObject, h plumbing.Hash, size int64) (_ *plumbing.MemoryObject, err error) {
	reader, err := stored.Reader()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	data, err := io.ReadAll(io.LimitReader(reader, size+1))
	if err != nil {
		return nil, err
	}
	obj := &plumbing.MemoryObject{}
	obj.SetType(stored.Type())
	if _, err := obj.Write(data); err != nil {
		return nil, err
	}
	// It is computed at the first call and kept: done here, what is shared is only read.
	if got := obj.Hash(); got != h {
		return nil, fmt.Errorf("its bytes have the hash %s", got)
	}
	return obj, nil
}

func content(obj plumbing.EncodedObject) ([]byte, error) {
	reader, err := obj.Reader()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(reader)
}

func (r *Repository) corrupt(h plumbing.Hash, err error) error {
	err = fmt.Errorf("reading git object %s of %q: %w: %w", h, r.source, ErrCorrupt, r.source.clean(err))
	if !r.source.Local {
		return fault.Hint(err, "remove the mirror %s, it will be made again", r.root)
	}
	return fault.Hint(err, "check it with: git -C %s fsck", r.root)
}

// size is an object's size in bytes, as the storage claims it.
func (r *Repository) size(h plumbing.Hash) (size int64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer catch(&err)
	if obj, ok := r.kept.objects[h]; ok {
		return obj.Size(), nil
	}
	err = r.inStores(func(s *filesystem.ObjectStorage) (err error) {
		size, err = s.EncodedObjectSize(h)
		return err
	})
	if err != nil {
		return 0, r.corrupt(h, err)
	}
	return size, nil
}

func limitAll(plumbing.ObjectType) int64 { return maxBlob }

// limitText keeps a tag that points to a large blob from being read as a version.
func limitText(plumbing.ObjectType) int64 { return maxTextObject }

// peeled is a commit and the tag object that led to it, which is nil when the
// ref or hash named the commit itself.
type peeled struct {
	tag    *object.Tag
	raw    []byte // of tag
	commit *object.Commit
}

// peel follows tag objects from h to a commit. The tag is the outermost one, and
// is given even when what it leads to is an error.
func (r *Repository) peel(ctx context.Context, h plumbing.Hash) (peeled, error) {
	var p peeled
	for range maxPeel + 1 {
		if err := ctx.Err(); err != nil {
			return p, err
		}
		obj, err := r.read(h, limitText)
		if err != nil {
			return p, err
		}
		switch obj.Type() {
		case plumbing.CommitObject:
			p.commit = &object.Commit{}
			return p, r.decode(h, p.commit.Decode, obj)
		case plumbing.TagObject:
			tag := &object.Tag{}
			if err := r.decode(h, tag.Decode, obj); err != nil {
				return p, err
			}
			if p.tag == nil {
				p.tag = tag
				if p.raw, err = content(obj); err != nil {
					return p, err
				}
			}
			h = tag.Target
		default:
			return p, fmt.Errorf("it leads to a %s, expected a commit", obj.Type())
		}
	}
	return p, fmt.Errorf("it leads through more than %d tags, expected a commit", maxPeel)
}

func (r *Repository) decode(h plumbing.Hash, into func(plumbing.EncodedObject) error, obj plumbing.EncodedObject) (err error) {
	defer catch(&err)
	if err := into(obj); err != nil {
		return r.corrupt(h, err)
	}
	return nil
}
