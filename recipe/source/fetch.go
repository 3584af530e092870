package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/google/renameio/v2"
)

// maxHaves bounds how many objects a server is told that the mirror has. It
// leaves out what they lead to; one it was not told of is sent again.
const maxHaves = 1000

// fetch brings the objects of the listed refs into the mirror: one request over
// http, which asks for what was listed. ssh and git begin each connection with a
// listing of their own; that one then counts, and is returned.
func (r *Repository) fetch(ctx context.Context, listed refList) (refList, error) {
	err := await(ctx, func() (err error) {
		session := listed.session
		if session == nil {
			if session, err = r.source.dialer(); err != nil {
				return err
			}
			defer func() { _ = session.Close() }() // the pack is whole, or was refused
			if listed, err = advertised(ctx, session); err != nil {
				return err
			}
		}
		return r.fetchPack(ctx, session, listed)
	})
	if err != nil {
		return refList{}, r.source.explain(err)
	}
	return listed, nil
}

func (r *Repository) fetchPack(ctx context.Context, session transport.UploadPackSession, listed refList) (err error) {
	request, err := r.request(listed)
	if err != nil || len(request.Wants) == 0 {
		return err
	}
	answer, err := session.UploadPack(ctx, request)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, answer.Close()) }()
	var pack io.Reader = answer
	switch {
	case request.Capabilities.Supports(capability.Sideband64k):
		pack = sideband.NewDemuxer(sideband.Sideband64k, answer)
	case request.Capabilities.Supports(capability.Sideband):
		pack = sideband.NewDemuxer(sideband.Sideband, answer)
	}
	return packfile.UpdateObjectStorage(r.storer, pack)
}

// request asks for the listed objects that the mirror lacks.
func (r *Repository) request(listed refList) (*packp.UploadPackRequest, error) {
	request := packp.NewUploadPackRequestFromCapabilities(listed.can)
	if listed.can.Supports(capability.NoProgress) {
		if err := request.Capabilities.Set(capability.NoProgress); err != nil {
			return nil, err
		}
	}
	wanted := map[plumbing.Hash]bool{}
	for _, hash := range listed.refs {
		if !wanted[hash] && r.storer.HasEncodedObject(hash) != nil {
			wanted[hash] = true
			request.Wants = append(request.Wants, hash)
		}
	}
	request.Haves = r.haves(wanted)
	return request, nil
}

// haves are what the mirror has: branches first, which lead to most of it.
func (r *Repository) haves(wanted map[plumbing.Hash]bool) []plumbing.Hash {
	var list []plumbing.Hash
	had := map[plumbing.Hash]bool{}
	for _, branches := range []bool{true, false} {
		for name, ref := range r.refs {
			hash := ref.Hash()
			if name.IsBranch() == branches && !hash.IsZero() && !wanted[hash] && !had[hash] && len(list) < maxHaves {
				had[hash] = true
				list = append(list, hash)
			}
		}
	}
	return list
}

// writeRefs makes the mirror's branches and tags those listed, in one file: ten
// thousand tags are one write. A run that is killed in between leaves refs that
// are not those listed, so that the next one comes here again.
func writeRefs(dir string, listed refList) error {
	for _, kind := range []string{"heads", "tags"} {
		loose := filepath.Join(dir, "refs", kind)
		if err := os.RemoveAll(loose); err != nil {
			return err
		}
		if err := os.MkdirAll(loose, 0o700); err != nil {
			return err
		}
	}
	var packed bytes.Buffer
	packed.WriteString("# pack-refs with: peeled fully-peeled sorted \n")
	for _, name := range slices.Sorted(maps.Keys(listed.refs)) {
		fmt.Fprintf(&packed, "%s %s\n", listed.refs[name], name)
		if peeled, ok := listed.peeled[name]; ok {
			fmt.Fprintf(&packed, "^%s\n", peeled)
		}
	}
	file := filepath.Join(dir, packedRefs)
	if packed.Len() == 0 {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	return renameio.WriteFile(file, packed.Bytes(), 0o600)
}

const packedRefs = "packed-refs"
