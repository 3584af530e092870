package trust

import (
	"fmt"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// NewRoot makes and signs version 1 of a root: one key for each role, one
// signature needed for each. Times are cut to whole seconds.
func NewRoot(keys map[Role]Key, expires time.Time) ([]byte, error) {
	root := metadata.Root(whole(expires))
	root.Signed.ConsistentSnapshot = true
	for _, role := range Roles {
		key, ok := keys[role]
		if !ok {
			return nil, fmt.Errorf("making a root: no key for %s", role)
		}
		if err := root.Signed.AddKey(key.public, string(role)); err != nil {
			return nil, fmt.Errorf("making a root: %w", err)
		}
	}
	return sign(root, keys[Root])
}

// sign replaces the signatures and writes the file.
func sign[T metadata.Roles](m *metadata.Metadata[T], key Key) ([]byte, error) {
	m.ClearSignatures()
	if _, err := m.Sign(key.signer); err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	data, err := m.ToBytes(false)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	return data, nil
}

func whole(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
