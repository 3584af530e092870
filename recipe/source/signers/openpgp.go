package signers

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

const (
	keyBegin = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
	keyEnd   = "-----END PGP PUBLIC KEY BLOCK-----"
	sigEnd   = "-----END PGP SIGNATURE-----"
)

// hashes and algorithms are those of signatures that are accepted: not SHA-1 and
// what is older, and not DSA.
var (
	hashes     = []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512, crypto.SHA3_256, crypto.SHA3_512}
	algorithms = []packet.PublicKeyAlgorithm{
		packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSASignOnly, packet.PubKeyAlgoECDSA,
		packet.PubKeyAlgoEdDSA, packet.PubKeyAlgoEd25519, packet.PubKeyAlgoEd448,
	}
)

// parseKeys reads armored public keys, one block or several.
func parseKeys(name string, data []byte) (openpgp.EntityList, error) {
	if bytes.Contains(data, []byte("-----BEGIN PGP PRIVATE KEY BLOCK-----")) {
		return nil, fmt.Errorf("%s: it holds a private key; expected public keys (gpg --armor --export)", name)
	}
	var keys openpgp.EntityList
	for rest := string(data); ; {
		begin := strings.Index(rest, keyBegin)
		if begin < 0 {
			break
		}
		end := strings.Index(rest[begin:], keyEnd)
		if end < 0 {
			return nil, fmt.Errorf("%s: an OpenPGP key is cut short", name)
		}
		end += begin + len(keyEnd)
		block, err := openpgp.ReadArmoredKeyRing(strings.NewReader(rest[begin:end]))
		if err != nil {
			return nil, fmt.Errorf("%s: an OpenPGP key cannot be read: %s", name, clean(err.Error()))
		}
		keys, rest = append(keys, block...), rest[end:]
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s: it lists no public key; expected %q", name, keyBegin)
	}
	return keys, nil
}

func (s *Signers) verifyOpenPGP(t tag) (Signer, error) {
	body, sig, err := parseSignature(t.signature)
	if err != nil {
		return Signer{}, err
	}
	// gpg signs a moment after git noted the date, and a key's or a signature's
	// own date may not lie in the future of the moment it is judged at.
	at := t.date
	if sig.CreationTime.After(at) {
		at = sig.CreationTime
	}
	config := &packet.Config{Time: func() time.Time { return at }}
	made, entity, err := openpgp.VerifyDetachedSignature(s.openpgp, bytes.NewReader(t.payload), bytes.NewReader(body), config)
	switch {
	case errors.Is(err, pgperrors.ErrUnknownIssuer):
		return Signer{}, fmt.Errorf("%w: the OpenPGP key %s is not listed", ErrNotAllowed, issuer(sig))
	case errors.Is(err, pgperrors.ErrKeyRevoked):
		return Signer{}, revoked(sig)
	case errors.Is(err, pgperrors.ErrKeyExpired), errors.Is(err, pgperrors.ErrSignatureExpired):
		return Signer{}, fmt.Errorf("%w: the OpenPGP key %s, or its signature, was not valid on %s", ErrNotAllowed, issuer(sig), day(at))
	case err != nil:
		return Signer{}, fmt.Errorf("%w: the OpenPGP key %s did not sign this tag", ErrInvalid, issuer(sig))
	}
	if err := strong(entity, made); err != nil {
		return Signer{}, err
	}
	found := Signer{Kind: OpenPGP, Fingerprint: fmt.Sprintf("%X", entity.PrimaryKey.Fingerprint)}
	if identity := entity.PrimaryIdentity(); identity != nil {
		found.Name = clean(identity.Name)
	}
	return found, nil
}

// parseSignature reads an armored signature that ends with the object: bytes
// after it would be signed by nobody.
func parseSignature(armored []byte) ([]byte, *packet.Signature, error) {
	before, after, ok := strings.Cut(string(armored), sigEnd)
	if !ok {
		return nil, nil, fmt.Errorf("%w: the OpenPGP signature is cut short", ErrInvalid)
	}
	if strings.TrimSpace(after) != "" {
		return nil, nil, fmt.Errorf("%w: there is text after the OpenPGP signature", ErrInvalid)
	}
	damaged := fmt.Errorf("%w: the OpenPGP signature is damaged", ErrInvalid)
	block, err := armor.Decode(strings.NewReader(before + sigEnd + "\n"))
	if err != nil || block.Type != openpgp.SignatureType {
		return nil, nil, damaged
	}
	body, err := io.ReadAll(block.Body)
	if err != nil {
		return nil, nil, damaged
	}
	packets := packet.NewReader(bytes.NewReader(body))
	read, err := packets.Next()
	sig, ok := read.(*packet.Signature)
	if err != nil || !ok || sig.IssuerKeyId == nil {
		return nil, nil, damaged
	}
	if _, err := packets.Next(); !errors.Is(err, io.EOF) {
		return nil, nil, fmt.Errorf("%w: expected one OpenPGP signature", ErrInvalid)
	}
	switch {
	case sig.SigType != packet.SigTypeBinary: // a text's line ends may change
		return nil, nil, fmt.Errorf("%w: it is no OpenPGP signature of a file", ErrInvalid)
	case !slices.Contains(hashes, sig.Hash):
		return nil, nil, fmt.Errorf("%w: the hash %s is not accepted", ErrInvalid, sig.Hash)
	}
	return body, sig, nil
}

// strong refuses keys that are revoked, whenever that was: who holds a lost key
// can date a tag as they like. It also refuses weak ones.
func strong(entity *openpgp.Entity, made *packet.Signature) error {
	key := entity.PrimaryKey
	revocations := len(entity.Revocations)
	for _, sub := range entity.Subkeys {
		if sub.PublicKey.KeyId == *made.IssuerKeyId {
			key = sub.PublicKey
			revocations += len(sub.Revocations)
		}
	}
	if revocations > 0 {
		return revoked(made)
	}
	if !slices.Contains(algorithms, key.PubKeyAlgo) {
		return fmt.Errorf("%w: the OpenPGP key %s has an algorithm that is not accepted", ErrInvalid, issuer(made))
	}
	if key, ok := key.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < minRSA {
		return fmt.Errorf("%w: the RSA key has %d bits, expected at least %d", ErrInvalid, key.N.BitLen(), minRSA)
	}
	return nil
}

func revoked(sig *packet.Signature) error {
	return fmt.Errorf("%w: the OpenPGP key %s is revoked", ErrNotAllowed, issuer(sig))
}

// issuer is the key that a signature says it is of.
func issuer(sig *packet.Signature) string {
	if len(sig.IssuerFingerprint) > 0 {
		return fmt.Sprintf("%X", sig.IssuerFingerprint)
	}
	return fmt.Sprintf("%016X", *sig.IssuerKeyId)
}
