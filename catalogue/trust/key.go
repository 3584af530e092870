package trust

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// PublicKey is the part of a key that everybody may have.
type PublicKey struct {
	metadata *metadata.Key
	id       string
}

// ID is the key's identifier in metadata: SHA-256 of its public part, in hex.
func (k PublicKey) ID() string { return k.id }

// Key is a private ed25519 key. It has no String: it is not for showing.
type Key struct {
	PublicKey
	signer signature.Signer
}

// NewKey makes a key.
func NewKey() (Key, ed25519.PrivateKey, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Key{}, nil, fmt.Errorf("making a key: %w", err)
	}
	key, err := keyOf(private)
	return key, private, err
}

func keyOf(private ed25519.PrivateKey) (Key, error) {
	signer, err := signature.LoadSigner(private, crypto.Hash(0))
	if err != nil {
		return Key{}, err
	}
	public, err := publicOf(private.Public())
	return Key{PublicKey: public, signer: signer}, err
}

func publicOf(key crypto.PublicKey) (PublicKey, error) {
	public, err := metadata.KeyFromPublicKey(key)
	if err != nil {
		return PublicKey{}, err
	}
	id, err := public.ID()
	return PublicKey{metadata: public, id: id}, err
}

// shortID is enough of a key's identifier to tell it from others in a text.
func shortID(id string) string { return id[:min(16, len(id))] }
