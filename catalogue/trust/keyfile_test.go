package trust

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/galley-coop/galley/internal/fault"
)

func given(passphrase string) Passphrase {
	return func(string) ([]byte, error) { return []byte(passphrase), nil }
}

func written(t *testing.T, passphrase string) (name string, key Key, private ed25519.PrivateKey) {
	t.Helper()
	key, private, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	name = filepath.Join(t.TempDir(), "root.pem")
	if err := WriteKey(name, private, []byte(passphrase), "galley root"); err != nil {
		t.Fatal(err)
	}
	return name, key, private
}

func TestKeyFile(t *testing.T) {
	for _, passphrase := range []string{"", "correct horse"} {
		name, key, private := written(t, passphrase)
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		locked, err := OpenKey(name)
		if err != nil {
			t.Fatal(err)
		}
		if locked.ID() != key.ID() || locked.Encrypted != (passphrase != "") {
			t.Errorf("key %s, encrypted %v, before its passphrase is known", locked.ID(), locked.Encrypted)
		}
		read, err := locked.Unlock(given(passphrase))
		if err != nil || read.ID() != key.ID() || read.signer == nil {
			t.Errorf("unlocked %s, %v", read.ID(), err)
		}
		if err := WriteKey(name, private, nil, ""); !errors.Is(err, fs.ErrExist) {
			t.Errorf("a key was overwritten: %v", err)
		}
	}
}

func TestPassphraseIsNotRight(t *testing.T) {
	name, _, _ := written(t, "correct horse")
	locked, err := OpenKey(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{"battery staple", ""} {
		_, err = locked.Unlock(given(wrong))
		if err == nil || fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "the passphrase is not right") {
			t.Errorf("error %v", err)
		}
		if wrong != "" && strings.Contains(err.Error(), wrong) {
			t.Error("the error shows what was typed")
		}
	}
	if _, err := locked.Unlock(nil); fault.KindOf(err) != fault.Usage {
		t.Errorf("without anybody to ask: %v", err)
	}
	asked := errors.New("no terminal")
	if _, err := locked.Unlock(func(string) ([]byte, error) { return nil, asked }); !errors.Is(err, asked) {
		t.Errorf("the reason of the passphrase's absence is lost: %v", err)
	}
	if _, err := locked.Unlock(given("correct horse")); err != nil {
		t.Errorf("the right one after wrong ones: %v", err)
	}
}

// TestKeyOfOpenSSH reads what ssh-keygen makes and changes, and lets ssh-keygen
// read what galley makes.
func TestKeyOfOpenSSH(t *testing.T) {
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("ssh-keygen is not here")
	}
	keygen := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("ssh-keygen", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("ssh-keygen %q: %v\n%s", args, err, out)
		}
		return string(out)
	}
	name, key, private := written(t, "old")
	keygen("-p", "-q", "-f", name, "-P", "old", "-N", "new")
	locked, err := OpenKey(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := locked.Unlock(given("old")); err == nil {
		t.Error("the old passphrase is still right")
	}
	if read, err := locked.Unlock(given("new")); err != nil || read.ID() != key.ID() {
		t.Errorf("with the new passphrase: %v", err)
	}
	if err := WritePublicKey(name+".pub", private, "galley root"); err != nil {
		t.Fatal(err)
	}
	public, err := os.ReadFile(name + ".pub")
	if err != nil || keygen("-y", "-P", "new", "-f", name) != string(public) {
		t.Errorf("galley writes %q, %v; ssh-keygen another public key", public, err)
	}
	theirs := filepath.Join(t.TempDir(), "theirs")
	keygen("-q", "-t", "ed25519", "-N", "", "-f", theirs)
	locked, err = OpenKey(theirs)
	if err != nil {
		t.Fatal(err)
	}
	if public, err := ReadPublicKey(theirs + ".pub"); err != nil || public.ID() != locked.ID() {
		t.Errorf("public key %s of key %s, %v", public.ID(), locked.ID(), err)
	}
}

func TestKeyFileOfBefore(t *testing.T) {
	key, private, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "root.pem")
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	if locked, err := OpenKey(name); err != nil || locked.ID() != key.ID() || locked.Encrypted {
		t.Errorf("PKCS#8: %+v, %v", locked, err)
	}
}

func TestKeyFileIsRefused(t *testing.T) {
	_, private, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	// Both halves of different keys: signing with it would give the first away.
	mixed := append(bytes.Clone(private[:32]), make([]byte, 32)...)
	block, err := ssh.MarshalPrivateKey(ed25519.PrivateKey(mixed), "")
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"garbage": []byte("SECRET"), "empty": nil, "halves that do not fit": pem.EncodeToMemory(block),
		"another kind": pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: []byte("SECRET")}),
	} {
		file := filepath.Join(t.TempDir(), "root.pem")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := OpenKey(file)
		if err == nil || !strings.Contains(err.Error(), "expected one ed25519 private key") || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	pipe := filepath.Join(t.TempDir(), "root.pem")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenKey(pipe); err == nil {
		t.Error("a pipe was taken for a key")
	}
	open, _, _ := written(t, "x")
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenKey(open); fault.KindOf(err) != fault.Refused || !strings.Contains(err.Error(), "0644") {
		t.Errorf("a file for everybody: %v", err)
	}
}

func TestPublicKeyFileIsRefused(t *testing.T) {
	name, _, private := written(t, "")
	private2, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.pub")
	if err := WritePublicKey(file, private, "x"); err != nil {
		t.Fatal(err)
	}
	line, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for what, data := range map[string][]byte{
		"nothing": nil, "a private key": private2, "two keys": append(bytes.Clone(line), line...),
		"another kind": []byte("ecdsa-sha2-nistp256 AAAA x\n"),
	} {
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadPublicKey(file); fault.KindOf(err) != fault.Usage {
			t.Errorf("%s: error %v", what, err)
		}
	}
	if _, err := ReadPublicKey(file + ".none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// FuzzKeyFile sees that no file of a key folder crashes the reader.
func FuzzKeyFile(f *testing.F) {
	_, private, err := NewKey()
	if err != nil {
		f.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKeyWithPassphrase(private, "galley root", []byte("x"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(pem.EncodeToMemory(block))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"))
	name := filepath.Join(f.TempDir(), "key")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		locked, err := OpenKey(name)
		if err == nil && len(locked.ID()) != 64 {
			t.Errorf("took a key without an identifier: %q", data)
		}
		_, _ = ReadPublicKey(name)
	})
}
