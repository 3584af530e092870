package catalogue

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/catalogue/trust"
)

// metadataCheck is what a verifier found of the metadata.
type metadataCheck struct {
	chain     *trust.Chain // nil when no root verifies
	timestamp []byte
	// targets are the current ones, of all bins that verify; nil when not even
	// what leads to them does. whole tells that no bin is missing.
	targets map[string]trust.File
	whole   bool
	older   []map[string]trust.File // of each older file that verifies and has targets
	current map[trust.Role]int64    // of the top-level roles
	// highestBin is the highest number of a current bin: they have one row.
	highestBin int64
	// delegators are the targets metadata that verify, the current ones first.
	delegators []*trust.Document
}

// read reads a file once and accounts for it. A file that is not there is a
// problem when it is required. ok is false when there is nothing to check.
func (v *verifier) read(name string, limit int64, required bool) (data []byte, ok bool) {
	if v.stop != nil {
		return nil, false
	}
	v.accounted[name] = true
	data, err := v.from.Fetch(v.ctx, name, limit)
	switch {
	case err == nil:
		v.out.Checked++
		v.out.Bytes += int64(len(data))
		return data, true
	case v.ctx.Err() != nil:
		v.stop = v.ctx.Err()
	case errors.Is(err, fs.ErrNotExist) && !required:
	case errors.Is(err, fs.ErrNotExist):
		v.problem(name, errors.New("is missing"))
	case errors.Is(err, disk.ErrTooLarge):
		v.problem(name, fmt.Errorf("is longer than the %d bytes it may have", limit))
	case v.out.Checked == 0 && v.listed == nil:
		v.stop = err // nothing at all answers
	default:
		v.problem(name, fmt.Errorf("cannot be read: %w", err))
	}
	return nil, false
}

func (v *verifier) checkMetadata() {
	v.metadata.current = map[trust.Role]int64{}
	v.checkRoots()
	if v.metadata.chain != nil {
		v.out.Fingerprint = trust.Fingerprint(v.metadata.chain.First())
		v.expiry(trust.Name(trust.Root, v.metadata.chain.Version()), v.metadata.chain.Expires())
	}
	if timestamp := v.readTimestamp(); timestamp != nil {
		if snapshot := v.inner(trust.Snapshot, timestamp); snapshot != nil {
			if targets := v.inner(trust.Targets, snapshot); targets != nil {
				v.checkBins(snapshot, targets)
			}
		}
	}
	v.checkOlder()
}

// checkRoots reads the roots one after the other. A broken one ends the chain;
// the pinned root, or the copy of the newest one, then stands in, so that the
// other files can be told right or wrong.
func (v *verifier) checkRoots() {
	whole := true
	for version := int64(1); version <= trust.MaxRoots; version++ {
		name := trust.Name(trust.Root, version)
		data, ok := v.read(name, trust.MaxLength(trust.Root), version == 1)
		if !ok {
			whole = whole && version > 1
			break
		}
		if err := v.addRoot(data, whole); err != nil {
			v.problem(name, err)
			whole = false
			if v.listed == nil { // some hosts have an answer for every name
				break
			}
		}
	}
	copied, ok := v.read(trust.RootCopyName, trust.MaxLength(trust.Root), true)
	chain := v.metadata.chain
	switch {
	case ok && whole && !bytes.Equal(copied, chain.Last()) && chain.Contains(copied):
		v.out.Stale = append(v.out.Stale, trust.RootCopyName)
	case ok && whole && !bytes.Equal(copied, chain.Last()):
		v.problem(trust.RootCopyName, fmt.Errorf("is not a copy of %s", trust.Name(trust.Root, chain.Version())))
	case ok && !whole:
		v.standIn(copied)
	}
	if v.opts.Root != nil && whole && !chain.Contains(v.opts.Root) {
		v.problem(trust.Name(trust.Root, 1), errors.New("does not lead to the pinned root, or from it"))
	}
}

// addRoot appends a root to the chain; once that is broken, it only sees that the
// root is signed by itself.
func (v *verifier) addRoot(data []byte, whole bool) error {
	if !whole {
		_, err := trust.NewChain(data)
		return err
	}
	if v.metadata.chain == nil {
		chain, err := trust.NewChain(data)
		if err == nil {
			v.metadata.chain = chain
		}
		return err
	}
	return v.metadata.chain.Add(data)
}

func (v *verifier) standIn(copied []byte) {
	chain, err := trust.NewChain(copied)
	if err != nil {
		v.problem(trust.RootCopyName, err)
		copied = v.opts.Root
		if chain, err = trust.NewChain(copied); err != nil {
			return
		}
	}
	v.metadata.chain = chain
}

func (v *verifier) expiry(name string, expires time.Time) {
	if over := v.opts.Now.Sub(expires); over >= 0 {
		v.problem(name, errors.New("expired "+trust.Ago(over)))
	}
}

// check verifies one metadata file's signatures. current wants the newest root's.
func (v *verifier) check(role trust.Role, name string, data []byte, current bool) *trust.Document {
	if v.metadata.chain == nil {
		v.problem(name, errors.New("cannot be checked: no root verifies"))
		return nil
	}
	doc, newest, err := v.metadata.chain.Check(role, data)
	if err == nil && current && !newest {
		err = errors.New("is signed under an older root")
	}
	if err != nil {
		v.problem(name, err)
		return nil
	}
	if role == trust.Targets {
		v.metadata.delegators = append(v.metadata.delegators, doc)
	}
	return doc
}

func (v *verifier) readTimestamp() *trust.Document {
	data, ok := v.read(trust.TimestampName, trust.MaxLength(trust.Timestamp), true)
	if !ok {
		return nil
	}
	v.metadata.timestamp = data
	doc := v.check(trust.Timestamp, trust.TimestampName, data, true)
	if doc != nil {
		v.expiry(trust.TimestampName, doc.Expires)
	}
	return doc
}

// inner reads the metadata of a role that outer names.
func (v *verifier) inner(role trust.Role, outer *trust.Document) *trust.Document {
	said, ok := outer.Files[string(role)+".json"]
	if !ok {
		v.problem(trust.Name(outer.Role, outer.Version), fmt.Errorf("does not name %s.json", role))
		return nil
	}
	v.metadata.current[role] = said.Version
	name := trust.Name(role, said.Version)
	data, ok := v.read(name, trust.MaxLength(role), true)
	if !ok {
		return nil
	}
	doc := v.check(role, name, data, true)
	switch {
	case doc == nil:
		return nil
	case doc.Version != said.Version:
		v.problem(name, fmt.Errorf("says that it is version %d", doc.Version))
		return nil
	case int64(len(data)) != said.Length || hashOf(data) != said.SHA256:
		v.problem(name, fmt.Errorf("is not the file that %s names: wrong length or hash", trust.Name(outer.Role, outer.Version)))
		return nil
	}
	v.expiry(name, doc.Expires)
	return doc
}
