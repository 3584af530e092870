package trust

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/internal/fault"
)

// State is a catalogue's metadata as a client verified it, at one moment: the
// hash bins that it reads later belong to the same snapshot. It may be used from
// any goroutine.
type State struct {
	Versions map[Role]int64
	Expires  map[Role]time.Time
	// Signers are fingerprints of who may sign a role: keys and threshold. When one
	// changes, the versions of that role begin anew (TUF 1.0.31, section 5.3.11).
	Signers map[Role]string

	targets *Document

	mu      sync.Mutex // guards what follows; never held while fetching
	trusted *trustedmetadata.TrustedMetadata
	dir     string
	bins    map[Role]*bin
}

// bin is one hash bin. Who holds turn reads it or knows that it was read.
type bin struct {
	turn  chan struct{}
	files map[string]File // nil until it verified
}

// SetDir says where the folder that Refresh was given stands now: bins are kept
// there. Without one, "", they are kept in memory alone.
func (s *State) SetDir(dir string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dir = dir
}

// Target says what a target file is, ok is false when the catalogue has none of
// that name. It reads the one hash bin that may name it, from the folder of
// Refresh while its version stands, else through from.
func (s *State) Target(ctx context.Context, from Fetcher, name string) (f File, ok bool, err error) {
	files := s.targets.Files
	if delegated := s.targets.succinct(); delegated != nil {
		if files, err = s.bin(ctx, from, binOf(delegated, name)); err != nil {
			return File{}, false, err
		}
	}
	f, ok = files[name]
	return f, ok, nil
}

// Fetch gets a target by its hashed name and verifies it. Names that the
// catalogue does not have are fs.ErrNotExist.
func (s *State) Fetch(ctx context.Context, from Fetcher, name string) ([]byte, error) {
	f, ok, err := s.Target(ctx, from, name)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fs.ErrNotExist
	}
	hashed := HashedName(name, f.SHA256)
	data, err := from.Fetch(ctx, hashed, f.Length)
	if err != nil {
		return nil, explainFetch(hashed, err)
	}
	if int64(len(data)) == f.Length && Fingerprint(data) == f.SHA256 {
		return data, nil
	}
	if looksLikeHTML(data) {
		return nil, refuse(hashed, errHTML)
	}
	return nil, refuse(hashed, errNotSigned)
}

// HashedName is the name of a target's copy for consistent snapshots (TUF
// 1.0.31, section 6.2): "v1/<sha256>.index.json".
func HashedName(name, sha256 string) string {
	return path.Join(path.Dir(name), sha256+"."+path.Base(name))
}

// bin reads a bin once, however many ask for it at a time. What failed is tried
// again by the next.
func (s *State) bin(ctx context.Context, from Fetcher, role Role) (map[string]File, error) {
	s.mu.Lock()
	b := s.bins[role]
	if b == nil {
		b = &bin{turn: make(chan struct{}, 1)}
		s.bins[role] = b
	}
	s.mu.Unlock()
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for %s: %w", role, gaveUp(ctx))
	}
	if b.files != nil {
		return b.files, nil
	}
	files, err := s.readBin(ctx, from, role)
	if err == nil {
		b.files = files
	}
	return files, err
}

// gaveUp tells who stopped from what took too long.
func gaveUp(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fault.Wrap(fault.Interrupted, ctx.Err())
	}
	return ctx.Err()
}

func (s *State) readBin(ctx context.Context, from Fetcher, role Role) (map[string]File, error) {
	said, ok := s.trusted.Snapshot.Signed.Meta[string(role)+".json"]
	if !ok {
		return nil, refuse(Name(Snapshot, s.Versions[Snapshot]), fmt.Errorf("does not name %s.json", role))
	}
	if data, err := s.kept(role); err == nil {
		if files, err := s.verifyBin(role, said.Version, data); err == nil {
			return files, nil
		}
	}
	name, limit := Name(role, said.Version), MaxLength(role)
	if said.Length > 0 {
		limit = min(limit, said.Length)
	}
	data, err := from.Fetch(ctx, name, limit)
	if err != nil {
		return nil, explainFetch(name, err)
	}
	files, err := s.verifyBin(role, said.Version, data)
	if err == nil {
		s.keep(role, data)
	}
	return files, err
}

// verifyBin is where go-tuf takes a bin or not: signatures, version and expiry,
// and the hash if the snapshot names one. go-tuf knows neither that a target is
// in the right bin nor that bins go no deeper, so that is seen to before.
func (s *State) verifyBin(role Role, version int64, data []byte) (files map[string]File, err error) {
	name := Name(role, version)
	defer func() {
		if p := recover(); p != nil {
			files, err = nil, refuse(name, errors.New("is malformed"))
		}
	}()
	doc, err := s.targets.parseBin(role, data)
	if err != nil {
		return nil, refuse(name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err = s.trusted.UpdateDelegatedTargets(data, string(role), metadata.TARGETS)
	switch {
	case err == nil:
		return doc.Files, nil
	case errors.Is(err, &metadata.ErrUnsignedMetadata{}):
		return nil, refuse(name, notSigned(s.targets, role))
	case errors.Is(err, &metadata.ErrBadVersionNumber{}):
		return nil, refuse(name, fmt.Errorf("says that it is version %d", doc.Version))
	case errors.Is(err, &metadata.ErrLengthOrHashMismatch{}):
		return nil, refuse(name, errNotSigned)
	case errors.Is(err, &metadata.ErrExpiredMetadata{}) && !doc.Expires.After(s.trusted.RefTime):
		return nil, expired(name, role, s.trusted.RefTime.Sub(doc.Expires))
	}
	return nil, refuse(name, unknown(err))
}

// kept is a bin from the client's folder, of whatever version.
func (s *State) kept(role Role) ([]byte, error) {
	s.mu.Lock()
	dir := s.dir
	s.mu.Unlock()
	if dir == "" {
		return nil, fs.ErrNotExist
	}
	d, err := disk.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Read(string(role)+".json", MaxLength(role))
}

// keep writes a bin into the client's folder, for its user alone. It is a cache:
// a folder that is gone or full costs a request next time, and no error now.
func (s *State) keep(role Role, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dir == "" {
		return
	}
	f, err := os.CreateTemp(s.dir, ".bin-")
	if err != nil {
		return
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(s.dir, string(role)+".json"))
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
}
