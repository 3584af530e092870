package trust

import (
	"fmt"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// NewRoot makes and signs version 1 of a root: one key for each role, one
// signature needed for each. Times are cut to whole seconds.
func NewRoot(keys map[Role]Key, expires time.Time) ([]byte, error) {
	root := emptyRoot(expires)
	for _, role := range Roles {
		key, ok := keys[role]
		if !ok {
			return nil, fmt.Errorf("making a root: no key for %s", role)
		}
		if err := root.Signed.AddKey(key.metadata, string(role)); err != nil {
			return nil, fmt.Errorf("making a root: %w", err)
		}
	}
	return sign(root, keys[Root])
}

func emptyRoot(expires time.Time) *metadata.Metadata[metadata.RootType] {
	root := metadata.Root(whole(expires))
	root.Signed.ConsistentSnapshot = true
	return root
}

// sign replaces the signatures by those of the keys and writes the file.
func sign[T metadata.Roles](m *metadata.Metadata[T], keys ...Key) ([]byte, error) {
	m.ClearSignatures()
	for _, key := range keys {
		if _, err := m.Sign(key.signer); err != nil {
			return nil, fmt.Errorf("signing: %w", err)
		}
	}
	data, err := m.ToBytes(false)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	return data, nil
}

func whole(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// follow adds to a chain the roots that lead from it to the given one. Those that
// the chain has already are passed over.
func follow(chain *Chain, opts PublishOptions) error {
	for _, root := range opts.Earlier {
		doc, err := Parse(Root, root)
		if err != nil {
			return err
		}
		if doc.Version <= chain.Version() {
			continue
		}
		if err := chain.Add(root); err != nil {
			return fmt.Errorf("version %d %w", doc.Version, err)
		}
	}
	if string(chain.Last()) == string(opts.Root) {
		return nil
	}
	return chain.Add(opts.Root)
}
