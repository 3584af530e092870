package signers

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"golang.org/x/crypto/ssh"
)

// made is when the fixtures' tags are made.
var made = time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)

// unsigned is a tag object without its signature.
func unsigned(name string, date time.Time) string {
	return fmt.Sprintf("object %s\ntype commit\ntag %s\ntagger Ada <ada@example.org> %d +0200\n\nchore: publish %s release\n",
		strings.Repeat("1", 40), name, date.Unix(), name)
}

// sshKey is a key pair, and its line in an allowed_signers file.
type sshKey struct {
	ssh.Signer
	line string
}

func newSSHKey(t testing.TB, private crypto.Signer) sshKey {
	t.Helper()
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return sshKey{signer, string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(signer.PublicKey())))}
}

func ed25519Key(t testing.TB) sshKey {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return newSSHKey(t, private)
}

func ecdsaKey(t testing.TB) sshKey {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return newSSHKey(t, private)
}

func rsaKey(t testing.TB, bits int) sshKey {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return newSSHKey(t, private)
}

// forged says what a signature is to be otherwise than right.
type forged struct {
	namespace, hash, algorithm string
	version                    uint32
}

// sign makes what `ssh-keygen -Y sign -n git` makes.
func (k sshKey) sign(t testing.TB, payload string, f forged) string {
	t.Helper()
	sig := sshsig{Magic: magic, Version: 1, PublicKey: k.PublicKey().Marshal(), Namespace: "git", Hash: "sha512"}
	if f.namespace != "" {
		sig.Namespace = f.namespace
	}
	if f.hash != "" {
		sig.Hash = f.hash
	}
	if f.version != 0 {
		sig.Version = f.version
	}
	sum := sha512.Sum512([]byte(payload))
	digest := sum[:]
	if sig.Hash == "sha256" {
		short := sha256.Sum256([]byte(payload))
		digest = short[:]
	}
	algorithm := f.algorithm
	if algorithm == "" && k.PublicKey().Type() == ssh.KeyAlgoRSA {
		algorithm = ssh.KeyAlgoRSASHA512
	}
	signed, err := k.Signer.(ssh.AlgorithmSigner).SignWithAlgorithm(rand.Reader,
		ssh.Marshal(signedData{Magic: magic, Namespace: sig.Namespace, Hash: sig.Hash, Digest: digest}), algorithm)
	if err != nil {
		t.Fatal(err)
	}
	sig.Signature = ssh.Marshal(signed)
	return armored(ssh.Marshal(sig))
}

func armored(blob []byte) string {
	var out strings.Builder
	out.WriteString("-----BEGIN SSH SIGNATURE-----\n")
	for text := base64.StdEncoding.EncodeToString(blob); text != ""; {
		n := min(70, len(text))
		out.WriteString(text[:n] + "\n")
		text = text[n:]
	}
	out.WriteString("-----END SSH SIGNATURE-----\n")
	return out.String()
}

// pgpKey makes an OpenPGP key of that time, valid for lifetime, or for ever.
func pgpKey(t testing.TB, at time.Time, lifetime time.Duration) *openpgp.Entity {
	t.Helper()
	config := &packet.Config{
		Time: func() time.Time { return at }, Algorithm: packet.PubKeyAlgoEdDSA, KeyLifetimeSecs: uint32(lifetime.Seconds()),
	}
	entity, err := openpgp.NewEntity("Ada", "", "ada@example.org", config)
	if err != nil {
		t.Fatal(err)
	}
	return entity
}

func exportKey(t testing.TB, entity *openpgp.Entity) string {
	t.Helper()
	var out bytes.Buffer
	w, err := armor.Encode(&out, openpgp.PublicKeyType, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := entity.Serialize(w); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String() + "\n"
}

func pgpSign(t testing.TB, entity *openpgp.Entity, payload string, at time.Time, hash crypto.Hash) string {
	t.Helper()
	var out bytes.Buffer
	config := &packet.Config{Time: func() time.Time { return at }, DefaultHash: hash}
	if err := openpgp.ArmoredDetachSign(&out, entity, strings.NewReader(payload), config); err != nil {
		t.Fatal(err)
	}
	return out.String() + "\n"
}

func parse(t testing.TB, texts ...string) *Signers {
	t.Helper()
	all := &Signers{}
	for _, text := range texts {
		if err := all.add("signers", []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func pemBlock(kind string) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: []byte("x")}))
}

func decode64(t testing.TB, text string) []byte {
	t.Helper()
	blob, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return blob
}
