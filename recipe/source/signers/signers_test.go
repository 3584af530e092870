package signers

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"golang.org/x/crypto/ssh"

	"github.com/galley-coop/galley/internal/fault"
)

const version = "1.0.0+1.0"

// refused checks that a tag is, and why.
func refused(t *testing.T, allowed *Signers, object string, is error, reason string) {
	t.Helper()
	signer, err := allowed.Verify(version, []byte(object))
	if !errors.Is(err, is) || !strings.Contains(fmt.Sprint(err), reason) || fault.KindOf(err) != fault.Refused || signer != (Signer{}) {
		t.Errorf("signer = %v, error = %v; want %v with %q", signer, err, is, reason)
	}
}

func TestSSHKeyTypes(t *testing.T) {
	for name, key := range map[string]sshKey{"ed25519": ed25519Key(t), "ecdsa": ecdsaKey(t), "rsa": rsaKey(t, 2048)} {
		for _, f := range []forged{{}, {hash: "sha256"}} {
			payload := unsigned(version, made)
			allowed := parse(t, "# people\n\nada@example.org,ops@example.org "+key.line+" a comment\n")
			got, err := allowed.Verify(version, []byte(payload+key.sign(t, payload, f)))
			want := Signer{SSH, "ada@example.org,ops@example.org", ssh.FingerprintSHA256(key.PublicKey())}
			if err != nil || got != want {
				t.Errorf("%s: signer = %v, %v; want %v", name, got, err, want)
			}
		}
	}
}

// A security key signs the application, its flags and its counter too
// (PROTOCOL.u2f of OpenSSH); x/crypto puts these before the digest.
func TestSSHSecurityKey(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	wire := ssh.Marshal(struct {
		Type        string
		Key         []byte
		Application string
	}{ssh.KeyAlgoSKED25519, public, "ssh:"})
	payload := unsigned(version, made)
	sum := sha512.Sum512([]byte(payload))
	message := sha256.Sum256(ssh.Marshal(signedData{Magic: magic, Namespace: "git", Hash: "sha512", Digest: sum[:]}))
	application := sha256.Sum256([]byte("ssh:"))
	counter := []byte{1, 0, 0, 0, 7} // touched, for the seventh time
	signed := slices.Concat(application[:], counter, message[:])
	signature := ssh.Marshal(ssh.Signature{Format: ssh.KeyAlgoSKED25519, Blob: ed25519.Sign(private, signed), Rest: counter})
	object := payload + armored(ssh.Marshal(sshsig{Magic: magic, Version: 1, PublicKey: wire, Namespace: "git", Hash: "sha512", Signature: signature}))
	line := ssh.KeyAlgoSKED25519 + " " + base64.StdEncoding.EncodeToString(wire)
	if _, err := parse(t, "ada "+line).Verify(version, []byte(object)); err != nil {
		t.Error(err)
	}
	refused(t, parse(t, "ada "+line), strings.Replace(object, "publish", "Publish", 1), ErrInvalid, "did not sign this tag")
}

func TestSSHRefusals(t *testing.T) {
	key, other, weak := ed25519Key(t), ed25519Key(t), rsaKey(t, 1024)
	strong := rsaKey(t, 2048)
	allowed := parse(t, "ada "+key.line+"\nada "+strong.line)
	payload := unsigned(version, made)
	good := payload + key.sign(t, payload, forged{})
	if _, err := allowed.Verify(version, []byte(good)); err != nil {
		t.Fatal(err)
	}
	foreign := unsigned("2.0.0+1.0", made)
	for what, c := range map[string]struct {
		object string
		is     error
		reason string
	}{
		"unsigned":              {payload, ErrUnsigned, "not signed"},
		"altered message":       {strings.Replace(good, "publish", "Publish", 1), ErrInvalid, "did not sign this tag"},
		"altered commit":        {strings.Replace(good, "object 1", "object 2", 1), ErrInvalid, "did not sign this tag"},
		"altered date":          {strings.Replace(good, "+0200", "+0300", 1), ErrInvalid, "did not sign this tag"},
		"a line ending":         {strings.Replace(good, "release\n", "release\r\n", 1), ErrInvalid, "did not sign this tag"},
		"other key":             {payload + other.sign(t, payload, forged{}), ErrNotAllowed, ssh.FingerprintSHA256(other.PublicKey())},
		"another tag's pasted":  {payload + key.sign(t, foreign, forged{}), ErrInvalid, "did not sign this tag"},
		"another tag renamed":   {foreign + key.sign(t, foreign, forged{}), ErrInvalid, `made for the tag "2.0.0+1.0"`},
		"other namespace":       {payload + key.sign(t, payload, forged{namespace: "file"}), ErrInvalid, `made for "file"`},
		"namespace swapped":     {payload + swapped(t, key.sign(t, payload, forged{namespace: "tig"})), ErrInvalid, "did not sign this tag"},
		"other version":         {payload + key.sign(t, payload, forged{version: 2}), ErrInvalid, "version 2"},
		"other hash":            {payload + key.sign(t, payload, forged{hash: "sha1"}), ErrInvalid, `hash "sha1"`},
		"SHA-1 of RSA":          {payload + strong.sign(t, payload, forged{algorithm: ssh.KeyAlgoRSA}), ErrInvalid, `algorithm "ssh-rsa"`},
		"short RSA":             {payload + weak.sign(t, payload, forged{}), ErrInvalid, "1024 bits"},
		"cut short":             {good[:len(good)-40], ErrInvalid, "cut short"},
		"cut inside":            {strings.Replace(good, good[len(good)-60:len(good)-40], "", 1), ErrInvalid, ""},
		"text after":            {good + "and more\n", ErrInvalid, "text after"},
		"a second end":          {good + "-----END SSH SIGNATURE-----\n", ErrInvalid, "text after"},
		"not base64":            {payload + "-----BEGIN SSH SIGNATURE-----\n*\n-----END SSH SIGNATURE-----\n", ErrInvalid, "not base64"},
		"not SSHSIG":            {payload + armored([]byte("SSHSIX")), ErrInvalid, "damaged"},
		"empty":                 {payload + armored(nil), ErrInvalid, "damaged"},
		"X.509":                 {payload + "-----BEGIN SIGNED MESSAGE-----\nx\n", ErrInvalid, "X.509"},
		"no tag object":         {"tree x\n\n" + key.sign(t, "tree x\n\n", forged{}), ErrInvalid, "no tag object"},
		"headers out of order":  {"tag 1.0.0+1.0\nobject x\ntype commit\n\n", ErrInvalid, "line 1"},
		"nothing":               {"", ErrInvalid, "no tag object"},
		"a signature, no more":  {key.sign(t, "", forged{}), ErrInvalid, "no tag object"},
		"signed by PGP instead": {payload + pgpSign(t, pgpKey(t, made, 0), payload, made, crypto.SHA256), ErrNotAllowed, "OpenPGP key"},
	} {
		t.Run(what, func(t *testing.T) { refused(t, allowed, c.object, c.is, c.reason) })
	}
}

// swapped writes the right namespace into a signature that was made under
// another one of the same length.
func swapped(t *testing.T, signature string) string {
	lines := strings.Split(strings.TrimSpace(signature), "\n")
	blob := decode64(t, strings.Join(lines[1:len(lines)-1], ""))
	return armored(bytes.Replace(blob, []byte("tig"), []byte("git"), 1))
}

func TestAllowedSignersOptions(t *testing.T) {
	key := ed25519Key(t)
	payload := unsigned(version, made)
	object := payload + key.sign(t, payload, forged{})
	undated := strings.Replace(payload, fmt.Sprintf("tagger Ada <ada@example.org> %d +0200\n", made.Unix()), "", 1)
	for _, c := range []struct{ line, object, reason string }{
		{`ada namespaces="git" ` + key.line, object, ""},
		{`"ada b" namespaces="file,g?*" ` + key.line, object, ""},
		{`ada namespaces="file" ` + key.line, object, `listed for "file"`},
		{`ada namespaces="*,!git" ` + key.line, object, "not for git"},
		{`ada valid-after="20240506" ` + key.line, object, ""},
		{`ada valid-after="202405060708Z",valid-before="20240506070809" ` + key.line, object, ""},
		{`ada valid-after="20240506070810" ` + key.line, object, "valid after 2024-05-06T07:08:10Z, the tag is of 2024-05-06T07:08:09Z"},
		{`ada VALID-BEFORE="20240506070808Z" ` + key.line, object, "valid before"},
		{`ada valid-before="20990101" ` + key.line, undated + key.sign(t, undated, forged{}), "no date"},
		{`ada valid-before="20200101" ` + key.line + "\nada " + key.line, object, ""},
	} {
		allowed := parse(t, c.line)
		if c.reason != "" {
			refused(t, allowed, c.object, ErrNotAllowed, c.reason)
			continue
		}
		if signer, err := allowed.Verify(version, []byte(c.object)); err != nil || !strings.HasPrefix(signer.Name, "ada") {
			t.Errorf("%s: %v, %v", c.line, signer, err)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	key := ed25519Key(t)
	pgp := exportKey(t, pgpKey(t, made, 0))
	for text, reason := range map[string]string{
		"":                                            "lists no key",
		"# nobody\n":                                  "lists no key",
		"# x\nada":                                    `signers:2: "ada" has no public key`,
		"ada ssh-ed25519":                             `signers:1: "ada" has no public key`,
		`"ada ` + key.line:                            "quote is not closed",
		"ada cert-authority " + key.line:              "signers:1: cert-authority is not supported",
		"ada no-touch-required " + key.line:           `option "no-touch-required"`,
		"ada valid-after=soon " + key.line:            `date "soon"`,
		"ada valid-after=20241350 " + key.line:        `date "20241350"`,
		"ada " + rsaKey(t, 1024).line:                 "1024 bits",
		pemBlock("PGP PRIVATE KEY BLOCK"):             "private key",
		pemBlock("PGP MESSAGE"):                       "lists no public key",
		pemBlock("PGP PUBLIC KEY BLOCK"):              "cannot be read",
		pgp[:len(pgp)/2]:                              "cut short",
		strings.Repeat("ada "+key.line+"\n", 3) + "x": "signers:4: ",
	} {
		_, err := Parse("signers", []byte(text))
		if err == nil || !strings.Contains(err.Error(), reason) || fault.KindOf(err) != fault.Usage {
			t.Errorf("%.40q: error = %v, want one with %q", text, err, reason)
		}
	}
	if _, err := Load(filepath.Join(t.TempDir(), "nowhere")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error = %v", err)
	}
}

func TestLoadSeveralFiles(t *testing.T) {
	key, entity := ed25519Key(t), pgpKey(t, made, 0)
	other := pgpKey(t, made, 0)
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	allowed, err := Load(write("ssh", "ada "+key.line), write("pgp", "our keys:\n"+exportKey(t, other)+"\n"+exportKey(t, entity)))
	if err != nil {
		t.Fatal(err)
	}
	payload := unsigned(version, made)
	for _, signature := range []string{key.sign(t, payload, forged{}), pgpSign(t, entity, payload, made, crypto.SHA256)} {
		if _, err := allowed.Verify(version, []byte(payload+signature)); err != nil {
			t.Error(err)
		}
	}
	if _, err := (&Signers{}).Verify(version, []byte(payload+key.sign(t, payload, forged{}))); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("nobody is allowed: error = %v", err)
	}
}

func TestOpenPGP(t *testing.T) {
	entity := pgpKey(t, made.AddDate(-1, 0, 0), 0)
	payload := unsigned(version, made)
	// gpg asked for a passphrase: the signature is a minute younger than the tag.
	object := payload + pgpSign(t, entity, payload, made.Add(time.Minute), crypto.SHA512)
	got, err := parse(t, exportKey(t, entity)).Verify(version, []byte(object))
	want := Signer{OpenPGP, "Ada <ada@example.org>", fmt.Sprintf("%X", entity.PrimaryKey.Fingerprint)}
	if err != nil || got != want {
		t.Errorf("signer = %v, %v; want %v", got, err, want)
	}
}

func TestOpenPGPRefusals(t *testing.T) {
	key, other := pgpKey(t, made.AddDate(-1, 0, 0), 0), pgpKey(t, made, 0)
	allowed := parse(t, exportKey(t, key))
	payload, foreign := unsigned(version, made), unsigned("2.0.0+1.0", made)
	signature := pgpSign(t, key, payload, made, crypto.SHA256)
	good := payload + signature
	if _, err := allowed.Verify(version, []byte(good)); err != nil {
		t.Fatal(err)
	}
	middle := strings.Index(good, "\n\n"+"w") // the signature's first line of base64
	for what, c := range map[string]struct {
		object string
		is     error
		reason string
	}{
		"altered":              {strings.Replace(good, "publish", "Publish", 1), ErrInvalid, "did not sign this tag"},
		"other key":            {payload + pgpSign(t, other, payload, made, crypto.SHA256), ErrNotAllowed, fmt.Sprintf("%X", other.PrimaryKey.Fingerprint)},
		"another tag's pasted": {payload + pgpSign(t, key, foreign, made, crypto.SHA256), ErrInvalid, "did not sign this tag"},
		"another tag renamed":  {foreign + pgpSign(t, key, foreign, made, crypto.SHA256), ErrInvalid, "made for the tag"},
		"cut short":            {good[:len(good)-30], ErrInvalid, "cut short"},
		"a line is missing":    {good[:middle+2] + good[middle+2+65:], ErrInvalid, ""},
		"text after":           {good + "more", ErrInvalid, "text after"},
		"no base64":            {payload + "-----BEGIN PGP SIGNATURE-----\n\n*\n-----END PGP SIGNATURE-----\n", ErrInvalid, "damaged"},
		"empty":                {payload + "-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n", ErrInvalid, "damaged"},
		"a message":            {payload + strings.ReplaceAll(signature, "PGP SIGNATURE", "PGP MESSAGE"), ErrInvalid, "cut short"},
	} {
		t.Run(what, func(t *testing.T) { refused(t, allowed, c.object, c.is, c.reason) })
	}
}

func TestOpenPGPKeysHaveTheirTime(t *testing.T) {
	year := 365 * 24 * time.Hour
	key := pgpKey(t, made.Add(-year/2), year) // expires half a year after the tag
	payload := unsigned(version, made)
	if _, err := parse(t, exportKey(t, key)).Verify(version, []byte(payload+pgpSign(t, key, payload, made, crypto.SHA256))); err != nil {
		t.Errorf("a key that was valid when the tag was made: %v", err)
	}
	late := unsigned(version, made.Add(year))
	object := late + pgpSign(t, key, late, made, crypto.SHA256)
	refused(t, parse(t, exportKey(t, key)), object, ErrNotAllowed, "was not valid on 2025-05-06T07:08:09Z")
}

func TestOpenPGPKeysThatAreRevoked(t *testing.T) {
	payload := unsigned(version, made)
	for _, reason := range []packet.ReasonForRevocation{packet.KeyCompromised, packet.KeyRetired} {
		key := pgpKey(t, made.AddDate(-1, 0, 0), 0)
		object := payload + pgpSign(t, key, payload, made, crypto.SHA256)
		// Revoked a year after the tag: whoever found the key can date it back.
		config := &packet.Config{Time: func() time.Time { return made.AddDate(1, 0, 0) }}
		if err := key.RevokeKey(reason, "", config); err != nil {
			t.Fatal(err)
		}
		refused(t, parse(t, exportKey(t, key)), object, ErrNotAllowed, "revoked")
	}
}

func FuzzVerify(f *testing.F) {
	key, pgp := ed25519Key(f), pgpKey(f, made, 0)
	allowed := parse(f, "ada "+key.line, exportKey(f, pgp))
	payload := unsigned(version, made)
	signed := []string{payload + key.sign(f, payload, forged{}), payload + pgpSign(f, pgp, payload, made, crypto.SHA256)}
	f.Add([]byte(payload))
	for _, object := range signed {
		f.Add([]byte(object))
	}
	f.Fuzz(func(t *testing.T, object []byte) {
		// What is accepted must be what was signed, but for the armor around it.
		if _, err := allowed.Verify(version, object); err == nil && !bytes.HasPrefix(object, []byte(payload)) {
			t.Errorf("accepted %q", object)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("ada valid-after=20240101 " + ed25519Key(f).line))
	f.Add([]byte(exportKey(f, pgpKey(f, made, 0))))
	f.Fuzz(func(t *testing.T, data []byte) {
		if all, err := Parse("signers", data); err == nil && len(all.ssh)+len(all.openpgp) == 0 {
			t.Error("no key and no error")
		}
	})
}
