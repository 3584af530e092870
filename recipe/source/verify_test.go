package source

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha512"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe/source/signers"
)

// need skips without a program, where a skip is allowed.
func need(t *testing.T, program, debianPackage string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed: apt-get install %s", program, debianPackage)
	}
	t.Skipf("%s is not installed: apt-get install %s", program, debianPackage)
}

// run runs a program with the test's own environment, and gives its output.
func run(t *testing.T, env []string, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(gitEnv(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// sshKeygen makes a key pair: the private key's file and the public key's text.
func sshKeygen(t *testing.T, args ...string) (file, public string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "key")
	run(t, nil, "ssh-keygen", append([]string{"-q", "-N", "", "-C", "ada@example.org", "-f", file}, args...)...)
	data, err := os.ReadFile(file + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	return file, strings.TrimSpace(string(data))
}

func (r repo) signSSH(key, name string, args ...string) {
	r.t.Helper()
	r.git(append([]string{"-c", "gpg.format=ssh", "-c", "user.signingkey=" + key, "tag", "-s", "-m", "release " + name, name}, args...)...)
}

func allow(t *testing.T, texts ...string) *signers.Signers {
	t.Helper()
	var files []string
	for _, text := range texts {
		file := filepath.Join(t.TempDir(), "allowed")
		if err := os.WriteFile(file, []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	allowed, err := signers.Load(files...)
	if err != nil {
		t.Fatal(err)
	}
	return allowed
}

// versionOf opens the repository anew.
func (r repo) versionOf(name string) (*Repository, Version) {
	r.t.Helper()
	opened := open(r.t, r.dir, Options{})
	for _, v := range versionsOf(r.t, opened) {
		if v.Name == name {
			return opened, v
		}
	}
	r.t.Fatalf("no tag %q", name)
	return nil, Version{}
}

func (r repo) verify(name string, allowed *signers.Signers) (signers.Signer, error) {
	r.t.Helper()
	opened, v := r.versionOf(name)
	return opened.VerifyTag(r.t.Context(), v.Name, v.Tag, allowed)
}

func (r repo) refuses(name string, allowed *signers.Signers, is error, reason string) {
	r.t.Helper()
	_, err := r.verify(name, allowed)
	if !errors.Is(err, is) || !strings.Contains(err.Error(), reason) || !strings.Contains(err.Error(), name) || fault.KindOf(err) != fault.Refused {
		r.t.Errorf("tag %q: error = %v, want %v with %q", name, err, is, reason)
	}
}

func TestTagsSignedWithSSH(t *testing.T) {
	need(t, "ssh-keygen", "openssh-client")
	for name, args := range map[string][]string{
		"ed25519": {"-t", "ed25519"}, "ecdsa": {"-t", "ecdsa", "-b", "384"}, "rsa": {"-t", "rsa", "-b", "2048"},
	} {
		t.Run(name, func(t *testing.T) {
			key, public := sshKeygen(t, args...)
			r := newRepo(t)
			r.commit("first")
			r.signSSH(key, "1.0.0+1.0")
			signer, err := r.verify("1.0.0+1.0", allow(t, `ada@example.org namespaces="git" `+public))
			fingerprint := strings.Fields(run(t, nil, "ssh-keygen", "-l", "-f", key+".pub"))[1]
			if err != nil || signer != (signers.Signer{Kind: signers.SSH, Name: "ada@example.org", Fingerprint: fingerprint}) {
				t.Errorf("signer = %v, %v; want %s", signer, err, fingerprint)
			}
			if _, v := r.versionOf("1.0.0+1.0"); v.Signature != signers.SSH || v.Message != "release 1.0.0+1.0" {
				t.Errorf("version = %+v", v)
			}
		})
	}
}

func TestTagsThatSSHDidNotSign(t *testing.T) {
	need(t, "ssh-keygen", "openssh-client")
	key, public := sshKeygen(t, "-t", "ed25519")
	other, _ := sshKeygen(t, "-t", "ed25519")
	allowed := allow(t, "ada "+public)
	r := newRepo(t)
	commit := r.commit("first")
	r.signSSH(key, "1.0.0+1.0")
	good := r.git("cat-file", "tag", "1.0.0+1.0") + "\n"
	store := func(name, object string) {
		t.Helper()
		hash := r.gitIn(object, "hash-object", "-t", "tag", "-w", "--stdin", "--literally")
		r.git("update-ref", "refs/tags/"+name, hash)
	}
	r.annotate("unsigned")
	r.refuses("unsigned", allowed, signers.ErrUnsigned, "not signed")
	r.git("tag", "light")
	r.refuses("light", allowed, signers.ErrUnsigned, "lightweight")
	if _, err := open(t, r.dir, Options{}).VerifyTag(t.Context(), "light", commit, allowed); !errors.Is(err, signers.ErrUnsigned) {
		t.Errorf("a commit was taken for a tag: %v", err)
	}
	r.signSSH(other, "stranger")
	r.refuses("stranger", allowed, signers.ErrNotAllowed, "is not listed")
	store("2.0.0+1.0", good)
	r.refuses("2.0.0+1.0", allowed, signers.ErrInvalid, `made for the tag "1.0.0+1.0"`)
	store("3.0.0+1.0", strings.Replace(good, "tag 1.0.0", "tag 3.0.0", 1))
	r.refuses("3.0.0+1.0", allowed, signers.ErrInvalid, "did not sign this tag")
	store("1.0.0+1.0", good[:len(good)-30])
	r.refuses("1.0.0+1.0", allowed, signers.ErrInvalid, "cut short")

	// ssh-keygen itself, for another purpose.
	payload := filepath.Join(t.TempDir(), "payload")
	text := good[:strings.Index(good, "-----BEGIN")]
	if err := os.WriteFile(payload, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, nil, "ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f", key, payload)
	signature, err := os.ReadFile(payload + ".sig")
	if err != nil {
		t.Fatal(err)
	}
	store("1.0.0+1.0", text+string(signature))
	r.refuses("1.0.0+1.0", allowed, signers.ErrInvalid, `made for "file"`)
	store("1.0.0+1.0", good)
	if _, err := r.verify("1.0.0+1.0", allowed); err != nil {
		t.Errorf("the tag as it was: %v", err)
	}
}

// gnupg is a GnuPG home of its own. Its path is short: gpg-agent's socket is in it.
type gnupg struct {
	t    *testing.T
	home string
}

func newGnuPG(t *testing.T) gnupg {
	t.Helper()
	need(t, "gpg", "gnupg")
	home, err := os.MkdirTemp("", "gpg-")
	if err != nil {
		t.Fatal(err)
	}
	g := gnupg{t, home}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run() // the agent this test started
		_ = os.RemoveAll(home)
	})
	return g
}

func (g gnupg) gpg(args ...string) string {
	g.t.Helper()
	return run(g.t, []string{"GNUPGHOME=" + g.home}, "gpg", append([]string{"--batch", "--quiet", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", ""}, args...)...)
}

func (g gnupg) newKey(user, algorithm, expires string, when ...string) (fingerprint string) {
	g.t.Helper()
	g.gpg(append(when, "--quick-generate-key", user, algorithm, "sign", expires)...)
	for _, line := range strings.Split(g.gpg("--with-colons", "--list-keys", user), "\n") {
		if rest, ok := strings.CutPrefix(line, "fpr:::::::::"); ok {
			fingerprint = strings.TrimSuffix(rest, ":")
		}
	}
	return fingerprint
}

func (g gnupg) sign(r repo, user, name string, config ...string) {
	g.t.Helper()
	conf := strings.Join(append([]string{"quiet", "no-tty", "pinentry-mode loopback"}, config...), "\n") + "\n"
	if err := os.WriteFile(filepath.Join(g.home, "gpg.conf"), []byte(conf), 0o600); err != nil {
		g.t.Fatal(err)
	}
	g.t.Setenv("GNUPGHOME", g.home)
	r.git("-c", "gpg.format=openpgp", "tag", "-s", "-u", user, "-m", "release "+name, name)
	if err := os.Remove(filepath.Join(g.home, "gpg.conf")); err != nil {
		g.t.Fatal(err)
	}
}

func TestTagsSignedWithGnuPG(t *testing.T) {
	g := newGnuPG(t)
	r := newRepo(t)
	r.commit("first")
	for _, algorithm := range []string{"ed25519", "rsa2048", "nistp256"} {
		user := "Ada " + algorithm + " <ada@example.org>"
		fingerprint := g.newKey(user, algorithm, "never")
		g.sign(r, user, algorithm)
		signer, err := r.verify(algorithm, allow(t, g.gpg("--armor", "--export", user)))
		if err != nil || signer != (signers.Signer{Kind: signers.OpenPGP, Name: user, Fingerprint: fingerprint}) {
			t.Errorf("signer = %v, %v; want %s", signer, err, fingerprint)
		}
		if _, v := r.versionOf(algorithm); v.Signature != signers.OpenPGP || v.Message != "release "+algorithm {
			t.Errorf("version = %+v", v)
		}
	}
}

// A signing subkey's tags are of the primary key.
func TestTagsSignedWithASubkey(t *testing.T) {
	g := newGnuPG(t)
	r := newRepo(t)
	r.commit("first")
	const user = "Ada <ada@example.org>"
	fingerprint := g.newKey(user, "ed25519", "never")
	g.gpg("--quick-add-key", fingerprint, "ed25519", "sign", "never")
	g.sign(r, user, "1.0.0+1.0")
	if signer, err := r.verify("1.0.0+1.0", allow(t, g.gpg("--armor", "--export", user))); err != nil || signer.Fingerprint != fingerprint {
		t.Errorf("signer = %v, %v; want %s", signer, err, fingerprint)
	}
}

func TestTagsThatGnuPGDidNotSign(t *testing.T) {
	g := newGnuPG(t)
	r := newRepo(t)
	r.commit("first")
	const user = "Ada <ada@example.org>"
	fingerprint := g.newKey(user, "ed25519", "never")
	g.newKey("Bob <bob@example.org>", "ed25519", "never")
	public := g.gpg("--armor", "--export", user)
	allowed := allow(t, public)
	g.sign(r, "bob@example.org", "stranger")
	r.refuses("stranger", allowed, signers.ErrNotAllowed, "is not listed")
	g.sign(r, user, "sha1", "digest-algo SHA1")
	r.refuses("sha1", allowed, signers.ErrInvalid, "SHA-1 is not accepted")
	g.sign(r, user, "1.0.0+1.0")
	good := r.git("cat-file", "tag", "1.0.0+1.0") + "\n"
	for name, object := range map[string]string{
		"2.0.0+1.0": good,
		"3.0.0+1.0": strings.Replace(good, "tag 1.0.0", "tag 3.0.0", 1),
		"4.0.0+1.0": strings.Replace(good, "tag 1.0.0", "tag 4.0.0", 1)[:len(good)-40],
	} {
		hash := r.gitIn(object, "hash-object", "-t", "tag", "-w", "--stdin", "--literally")
		r.git("update-ref", "refs/tags/"+name, hash)
	}
	r.refuses("2.0.0+1.0", allowed, signers.ErrInvalid, "made for the tag")
	r.refuses("3.0.0+1.0", allowed, signers.ErrInvalid, "did not sign this tag")
	r.refuses("4.0.0+1.0", allowed, signers.ErrInvalid, "cut short")

	// gpg's own revocation certificate, made with the key.
	certificate, err := os.ReadFile(filepath.Join(g.home, "openpgp-revocs.d", fingerprint+".rev"))
	if err != nil {
		t.Fatal(err)
	}
	revocation := filepath.Join(t.TempDir(), "revocation")
	if err := os.WriteFile(revocation, []byte(strings.ReplaceAll(string(certificate), ":-----BEGIN", "-----BEGIN")), 0o600); err != nil {
		t.Fatal(err)
	}
	g.gpg("--import", revocation)
	if _, err := r.verify("1.0.0+1.0", allowed); err != nil {
		t.Errorf("before the list knew of the revocation: %v", err)
	}
	r.refuses("1.0.0+1.0", allow(t, g.gpg("--armor", "--export", user)), signers.ErrNotAllowed, "revoked")
}

// A key that expired since is good for what it signed in its time.
func TestTagsSignedWithAKeyThatExpired(t *testing.T) {
	g := newGnuPG(t)
	r := newRepo(t)
	r.commit("first")
	const user = "Ada <ada@example.org>"
	g.newKey(user, "ed25519", "2024-06-01", "--faked-system-time", "20240101T000000")
	g.sign(r, user, "1.0.0+1.0", "faked-system-time 20240506T060000")
	public := g.gpg("--armor", "--export", user)
	if _, err := r.verify("1.0.0+1.0", allow(t, public)); err != nil {
		t.Errorf("a tag of the key's time: %v", err)
	}
	// The same key signs later, on a machine whose clock is wrong.
	late := strings.Replace(r.git("cat-file", "tag", "1.0.0+1.0"), "1.0.0+1.0", "2.0.0+1.0", 2)
	late = strings.Replace(late[:strings.Index(late, "-----BEGIN")], "1714972089", "1735689600", 1)
	payload := filepath.Join(t.TempDir(), "payload")
	if err := os.WriteFile(payload, []byte(late), 0o600); err != nil {
		t.Fatal(err)
	}
	g.gpg("--faked-system-time", "20240506T060000", "--armor", "--detach-sign", "--local-user", user, payload)
	signature, err := os.ReadFile(payload + ".asc")
	if err != nil {
		t.Fatal(err)
	}
	hash := r.gitIn(late+string(signature), "hash-object", "-t", "tag", "-w", "--stdin")
	r.git("update-ref", "refs/tags/2.0.0+1.0", hash)
	r.refuses("2.0.0+1.0", allow(t, public), signers.ErrNotAllowed, "was not valid on 2025-01-01")
}

// The same without ssh-keygen: this one never skips.
func TestTagSignedByHand(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	r := newRepo(t)
	commit := r.commit("first")
	allowed := allow(t, "ada "+string(ssh.MarshalAuthorizedKey(key)))
	payload := "object " + commit + "\ntype commit\ntag 1.0.0+1.0\ntagger Ada <ada@example.org> 1700000000 +0000\n\nx\n"
	object := payload + sshsigOf(t, private, key, payload)
	r.git("update-ref", "refs/tags/1.0.0+1.0", r.gitIn(object, "hash-object", "-t", "tag", "-w", "--stdin"))
	if signer, err := r.verify("1.0.0+1.0", allowed); err != nil || signer.Fingerprint != ssh.FingerprintSHA256(key) {
		t.Errorf("signer = %v, %v", signer, err)
	}
	moved := strings.Replace(object, "1700000000", "1700000001", 1)
	r.git("update-ref", "refs/tags/1.0.0+1.0", r.gitIn(moved, "hash-object", "-t", "tag", "-w", "--stdin"))
	r.refuses("1.0.0+1.0", allowed, signers.ErrInvalid, "did not sign this tag")
}

// sshsigOf writes PROTOCOL.sshsig's blob out byte by byte, so that it does not
// share a mistake with what reads it.
func sshsigOf(t *testing.T, private ed25519.PrivateKey, public ssh.PublicKey, payload string) string {
	t.Helper()
	text := func(parts ...[]byte) (out []byte) {
		for _, p := range parts {
			out = append(binary.BigEndian.AppendUint32(out, uint32(len(p))), p...)
		}
		return out
	}
	sum := sha512.Sum512([]byte(payload))
	signed := append([]byte("SSHSIG"), text([]byte("git"), nil, []byte("sha512"), sum[:])...)
	signature := text([]byte("ssh-ed25519"), ed25519.Sign(private, signed))
	blob := append([]byte("SSHSIG\x00\x00\x00\x01"), text(public.Marshal(), []byte("git"), nil, []byte("sha512"), signature)...)
	return strings.ReplaceAll(string(pem.EncodeToMemory(&pem.Block{Type: "SSH SIGNATURE", Bytes: blob})), "\r", "")
}
