package trust

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"

	"github.com/galley-coop/galley/internal/fault"
)

// Passphrase gives the passphrase of a key file. It is asked once for each file
// that has one and is needed.
type Passphrase func(file string) ([]byte, error)

// maxKeyFile bounds a key file, in bytes; one with a passphrase has some 450.
const maxKeyFile = 16 << 10

// KeyFile is where a role's first key stands in a folder of keys.
func KeyFile(dir string, role Role) string { return filepath.Join(dir, string(role)+".pem") }

// WriteKey writes a private key as OpenSSH does, readable for its owner alone,
// encrypted when there is a passphrase (bcrypt-pbkdf and AES-256-CTR): ssh-keygen
// -p changes it. The comment is what ssh-keygen shows. An existing file is an
// error.
func WriteKey(name string, private ed25519.PrivateKey, passphrase []byte, comment string) (err error) {
	var block *pem.Block
	if len(passphrase) > 0 {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, comment, passphrase)
	} else {
		block, err = ssh.MarshalPrivateKey(private, comment)
	}
	if err != nil {
		return fmt.Errorf("writing key %q: %w", name, err)
	}
	return writeNew(name, pem.EncodeToMemory(block), 0o600)
}

// writeNew leaves no half of a key behind: a file that is not whole is removed.
func writeNew(name string, data []byte, mode os.FileMode) (err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("writing key: %w", err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(fmt.Errorf("writing key: %w", err), os.Remove(name))
	}
	return nil
}

// WritePublicKey writes the public half as one line, the way ssh-keygen does:
// "ssh-ed25519 AAAA… comment". An existing file is an error.
func WritePublicKey(name string, private ed25519.PrivateKey, comment string) error {
	public, err := ssh.NewPublicKey(private.Public())
	if err != nil {
		return fmt.Errorf("writing key %q: %w", name, err)
	}
	line := append(bytes.TrimSpace(ssh.MarshalAuthorizedKey(public)), " "+comment+"\n"...)
	return writeNew(name, line, 0o644)
}

// ReadPublicKey reads what WritePublicKey wrote.
func ReadPublicKey(name string) (PublicKey, error) {
	data, err := readSmall(name)
	if err != nil {
		return PublicKey{}, fmt.Errorf("reading public key: %w", err)
	}
	parsed, _, _, rest, err := ssh.ParseAuthorizedKey(data)
	if err == nil && len(bytes.TrimSpace(rest)) == 0 {
		if key, ok := ed25519Of(parsed); ok {
			return publicOf(key)
		}
	}
	err = fault.New(fault.Usage, "reading public key %q: expected one line, ssh-ed25519 and the key", name)
	return PublicKey{}, fault.Hint(err, "galley catalogue keys new writes it beside the key, with .pub at its end")
}

func ed25519Of(key ssh.PublicKey) (ed25519.PublicKey, bool) {
	holder, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return nil, false
	}
	public, ok := holder.CryptoPublicKey().(ed25519.PublicKey)
	return public, ok
}

// LockedKey is a key file: whose key it is is known, the key itself once Unlock
// has decrypted it.
type LockedKey struct {
	PublicKey
	File      string
	Encrypted bool

	data []byte
	key  Key // set when there is no passphrase
}

// OpenKey reads a key file, of OpenSSH or PKCS#8 in PEM. One that others may read
// is refused: its key may already be someone else's too. Nothing of the file
// shows in an error.
func OpenKey(name string) (*LockedKey, error) {
	data, err := readKeyFile(name)
	if err != nil {
		return nil, err
	}
	locked := &LockedKey{File: name, data: data}
	parsed, err := ssh.ParseRawPrivateKey(data)
	var missing *ssh.PassphraseMissingError
	if errors.As(err, &missing) && missing.PublicKey != nil {
		public, ok := ed25519Of(missing.PublicKey)
		if !ok {
			return nil, badKey(name)
		}
		locked.Encrypted = true
		locked.PublicKey, err = publicOf(public)
		return locked, err
	}
	if err != nil {
		return nil, badKey(name)
	}
	if locked.key, err = wholeKey(parsed); err != nil {
		return nil, badKey(name)
	}
	locked.PublicKey = locked.key.PublicKey
	return locked, nil
}

// wholeKey wants both halves of the key to go together: ed25519 gives the private
// half away when it signs beside a wrong public one.
func wholeKey(parsed crypto.PrivateKey) (Key, error) {
	private, ok := parsed.(ed25519.PrivateKey) // PKCS#8
	if pointer, isPointer := parsed.(*ed25519.PrivateKey); isPointer {
		private, ok = *pointer, true // OpenSSH
	}
	if !ok || len(private) != ed25519.PrivateKeySize || !private.Equal(ed25519.NewKeyFromSeed(private.Seed())) {
		return Key{}, errors.New("not an ed25519 key")
	}
	return keyOf(private)
}

// Unlock decrypts the key, asking for its passphrase when it has one.
func (l *LockedKey) Unlock(ask Passphrase) (Key, error) {
	if !l.Encrypted {
		return l.key, nil
	}
	if ask == nil {
		return Key{}, fault.New(fault.Usage, "key %q has a passphrase, and none was given", l.File)
	}
	passphrase, err := ask(l.File)
	if err != nil {
		return Key{}, err
	}
	defer clear(passphrase)
	parsed, err := ssh.ParseRawPrivateKeyWithPassphrase(l.data, passphrase)
	if errors.Is(err, x509.IncorrectPasswordError) || len(passphrase) == 0 {
		return Key{}, fault.Hint(fmt.Errorf("key %q: the passphrase is not right", l.File), "nothing was signed; try again")
	}
	if err != nil {
		return Key{}, badKey(l.File)
	}
	key, err := wholeKey(parsed)
	if err != nil || key.ID() != l.ID() {
		return Key{}, badKey(l.File)
	}
	return key, nil
}

func badKey(name string) error {
	return fault.Hint(fmt.Errorf("reading key %q: expected one ed25519 private key, as OpenSSH writes it", name),
		"restore the file from its backup")
}

func readKeyFile(name string) ([]byte, error) {
	// Opening a pipe would wait for whoever writes to it.
	info, err := os.Stat(name)
	if err != nil {
		return nil, fault.Hint(fmt.Errorf("reading key: %w", err), "galley catalogue init makes keys; keep them where signing runs")
	}
	if !info.Mode().IsRegular() {
		return nil, badKey(name)
	}
	if err := Private(info, name); err != nil {
		return nil, err
	}
	data, err := readSmall(name)
	if err != nil {
		return nil, fmt.Errorf("reading key: %w", err)
	}
	return data, nil
}

// Private refuses a file that others than its owner may read.
func Private(info os.FileInfo, name string) error {
	mode := info.Mode().Perm()
	if mode&0o077 == 0 {
		return nil
	}
	err := fault.New(fault.Refused, "reading key %q: others may read it (mode %04o)", name, mode)
	return fault.Hint(err, "chmod 600 %s, and replace the key if others had access", name)
}

func readSmall(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxKeyFile))
}
