package trust

import (
	"fmt"
	"slices"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// emptyRoot is version 1 of a root, without keys: one signature is needed for
// each role. Times are cut to whole seconds.
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

// signersOf fingerprints who may sign each role.
func signersOf(root *metadata.Metadata[metadata.RootType]) map[Role]string {
	signers := map[Role]string{}
	for _, role := range Roles {
		if named := root.Signed.Roles[string(role)]; named != nil {
			ids := slices.Sorted(slices.Values(named.KeyIDs))
			signers[role] = Fingerprint(fmt.Appendf(nil, "%d %s", named.Threshold, ids))[:16]
		}
	}
	return signers
}
