package signers

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// namespace is what git signs under (git-config(1), gpg.format).
const namespace = "git"

// sshsig is the signature's blob (PROTOCOL.sshsig of OpenSSH).
type sshsig struct {
	Magic     [6]byte
	Version   uint32
	PublicKey []byte
	Namespace string
	Reserved  string
	Hash      string
	Signature []byte
}

// signedData is what the key signed; it follows the same magic.
type signedData struct {
	Magic     [6]byte
	Namespace string
	Reserved  string
	Hash      string
	Digest    []byte
}

var magic = [6]byte{'S', 'S', 'H', 'S', 'I', 'G'}

// formats are the signature algorithms accepted, by the key's. SHA-1 and DSA are
// none of them, nor are certificates.
var formats = map[string][]string{
	ssh.KeyAlgoED25519:    {ssh.KeyAlgoED25519},
	ssh.KeyAlgoECDSA256:   {ssh.KeyAlgoECDSA256},
	ssh.KeyAlgoECDSA384:   {ssh.KeyAlgoECDSA384},
	ssh.KeyAlgoECDSA521:   {ssh.KeyAlgoECDSA521},
	ssh.KeyAlgoSKED25519:  {ssh.KeyAlgoSKED25519},
	ssh.KeyAlgoSKECDSA256: {ssh.KeyAlgoSKECDSA256},
	ssh.KeyAlgoRSA:        {ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512},
}

// minRSA is the length of the shortest RSA key that is accepted, in bits.
const minRSA = 2048

func (s *Signers) verifySSH(t tag) (Signer, error) {
	sig, err := parseSSHSIG(t.signature)
	if err != nil {
		return Signer{}, err
	}
	key, err := ssh.ParsePublicKey(sig.PublicKey)
	if err != nil {
		return Signer{}, fmt.Errorf("%w: its public key cannot be read", ErrInvalid)
	}
	if err := acceptable(key); err != nil {
		return Signer{}, err
	}
	if err := sig.check(key, t.payload); err != nil {
		return Signer{}, err
	}
	found := Signer{Kind: SSH, Fingerprint: ssh.FingerprintSHA256(key)}
	reason := fmt.Errorf("%w: the key %s is not listed", ErrNotAllowed, found.Fingerprint)
	for _, a := range s.ssh {
		if !bytes.Equal(a.key.Marshal(), key.Marshal()) {
			continue
		}
		if reason = a.permits(t.date); reason == nil {
			found.Name = a.principals
			return found, nil
		}
	}
	return Signer{}, reason
}

// parseSSHSIG reads an armored signature that ends with the object: bytes after
// it would be signed by nobody.
func parseSSHSIG(armored []byte) (sshsig, error) {
	lines := strings.Split(strings.TrimRight(string(armored), "\r\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], "\r")
	}
	last := len(lines) - 1
	if end := slices.Index(lines, "-----END SSH SIGNATURE-----"); end < 0 {
		return sshsig{}, fmt.Errorf("%w: the SSH signature is cut short", ErrInvalid)
	} else if end < last {
		return sshsig{}, fmt.Errorf("%w: there is text after the SSH signature", ErrInvalid)
	}
	blob, err := base64.StdEncoding.DecodeString(strings.Join(lines[1:last], ""))
	if err != nil {
		return sshsig{}, fmt.Errorf("%w: the SSH signature is not base64", ErrInvalid)
	}
	var sig sshsig
	if err := ssh.Unmarshal(blob, &sig); err != nil || sig.Magic != magic {
		return sshsig{}, fmt.Errorf("%w: the SSH signature is damaged", ErrInvalid)
	}
	switch {
	case sig.Version != 1:
		return sshsig{}, fmt.Errorf("%w: version %d of SSH signatures is not supported", ErrInvalid, sig.Version)
	case sig.Namespace != namespace:
		return sshsig{}, fmt.Errorf("%w: it was made for %q, not for git", ErrInvalid, clean(sig.Namespace))
	}
	return sig, nil
}

func acceptable(key ssh.PublicKey) error {
	if _, ok := formats[key.Type()]; !ok {
		return fmt.Errorf("%w: keys of the type %q are not accepted", ErrInvalid, clean(key.Type()))
	}
	if crypto, ok := key.(ssh.CryptoPublicKey); ok {
		if rsa, ok := crypto.CryptoPublicKey().(*rsa.PublicKey); ok && rsa.N.BitLen() < minRSA {
			return fmt.Errorf("%w: the RSA key has %d bits, expected at least %d", ErrInvalid, rsa.N.BitLen(), minRSA)
		}
	}
	return nil
}

func (sig sshsig) check(key ssh.PublicKey, payload []byte) error {
	signed := signedData{Magic: magic, Namespace: sig.Namespace, Reserved: sig.Reserved, Hash: sig.Hash}
	switch sig.Hash {
	case "sha256":
		sum := sha256.Sum256(payload)
		signed.Digest = sum[:]
	case "sha512":
		sum := sha512.Sum512(payload)
		signed.Digest = sum[:]
	default:
		return fmt.Errorf("%w: the hash %q is not supported", ErrInvalid, clean(sig.Hash))
	}
	var made ssh.Signature
	if err := ssh.Unmarshal(sig.Signature, &made); err != nil {
		return fmt.Errorf("%w: the SSH signature is damaged", ErrInvalid)
	}
	if !slices.Contains(formats[key.Type()], made.Format) {
		return fmt.Errorf("%w: the algorithm %q is not accepted for keys of the type %q", ErrInvalid, clean(made.Format), key.Type())
	}
	if err := key.Verify(ssh.Marshal(signed), &made); err != nil {
		return fmt.Errorf("%w: the key %s did not sign this tag", ErrInvalid, ssh.FingerprintSHA256(key))
	}
	return nil
}
