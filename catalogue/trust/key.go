package trust

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/galley-coop/galley/internal/fault"
)

// Key is a private ed25519 key. It has no String: it is not for showing.
type Key struct {
	signer signature.Signer
	public *metadata.Key
	id     string
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
	public, err := metadata.KeyFromPublicKey(private.Public())
	if err != nil {
		return Key{}, err
	}
	id, err := public.ID()
	return Key{signer: signer, public: public, id: id}, err
}

// ID is the key's identifier in metadata: SHA-256 of its public part.
func (k Key) ID() string { return k.id }

// KeyFile is where a role's key stands in a folder of keys.
func KeyFile(dir string, role Role) string { return filepath.Join(dir, string(role)+".pem") }

// WriteKey writes a private key as PKCS#8 in PEM, readable for its owner alone.
// An existing file is an error.
func WriteKey(name string, private ed25519.PrivateKey) (err error) {
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return fmt.Errorf("writing key %q: %w", name, err)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("writing key: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der}); err != nil {
		return fmt.Errorf("writing key %q: %w", name, err)
	}
	return f.Sync()
}

// ReadKey reads what WriteKey wrote. A file that others may read is refused: its
// key may already be someone else's too. Nothing of the file shows in an error.
func ReadKey(name string) (Key, error) {
	data, err := readKeyFile(name)
	if err != nil {
		return Key{}, err
	}
	block, rest := pem.Decode(data)
	if block == nil || block.Type != "PRIVATE KEY" || len(rest) > 0 {
		return Key{}, badKey(name)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	private, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return Key{}, badKey(name)
	}
	return keyOf(private)
}

func badKey(name string) error {
	return fault.Hint(fmt.Errorf("reading key %q: expected one ed25519 private key, PKCS#8 in PEM", name),
		"restore the file from its backup")
}

func readKeyFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fault.Hint(fmt.Errorf("reading key: %w", err), "galley catalogue init makes keys; keep them where signing runs")
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading key: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, badKey(name)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		err := fault.New(fault.Refused, "reading key %q: others may read it (mode %04o)", name, mode)
		return nil, fault.Hint(err, "chmod 600 %s, and replace the key if others had access", name)
	}
	const limit = 16 << 10
	data, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return nil, fmt.Errorf("reading key: %w", err)
	}
	return data, nil
}
