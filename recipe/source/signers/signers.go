// Package signers says who signed a git tag: it checks the SSH (SSHSIG) or
// OpenPGP signature inside a tag object's bytes against the keys that a publisher
// listed, in OpenSSH's allowed_signers format or as armored OpenPGP keys.
//
// It refuses to trust anything else: no key server, no keyring of the user, no
// agent, no certificate authority, no program that it would have to run. A
// signature is good, by a listed key, for these very bytes, or the tag is refused
// with a reason.
package signers

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"github.com/ProtonMail/go-crypto/openpgp"

	"github.com/galley-coop/galley/internal/fault"
)

// The kinds of signatures a tag can carry.
const (
	SSH     = "ssh"
	OpenPGP = "openpgp"
	X509    = "x509" // recognised, and refused
)

// Why a tag is refused, with errors.Is.
var (
	// ErrUnsigned: there is no signature in the tag.
	ErrUnsigned = errors.New("not signed")
	// ErrInvalid: the signature is damaged, of a kind that is not accepted, or was
	// not made for these bytes.
	ErrInvalid = errors.New("bad signature")
	// ErrNotAllowed: the signature is of a key that is not listed, or that is
	// revoked, or was not valid when the tag was made.
	ErrNotAllowed = errors.New("not by an allowed signer")
)

// Signer is who signed a tag.
type Signer struct {
	Kind string // SSH or OpenPGP
	// Name is the key's principals in the allowed_signers file, or the primary
	// user id of the OpenPGP key.
	Name string
	// Fingerprint is "SHA256:…" as ssh-keygen -l prints it, or the primary OpenPGP
	// key's in upper-case hexadecimal digits.
	Fingerprint string
}

func (s Signer) String() string { return fmt.Sprintf("%s (%s)", s.Name, s.Fingerprint) }

// Signers are the keys whose signatures are accepted. The zero value accepts none.
type Signers struct {
	ssh     []allowed
	openpgp openpgp.EntityList
}

// maxFile bounds a file of signers, in bytes.
const maxFile = 4 << 20

// Load reads files of signers; each is either of the two formats, and what any of
// them allows is allowed. An error is fault.Usage, and names file and line.
func Load(files ...string) (*Signers, error) {
	all := &Signers{}
	for _, name := range files {
		data, err := readFile(name)
		if err != nil {
			return nil, fmt.Errorf("reading allowed signers: %w", err)
		}
		if err := all.add(name, data); err != nil {
			return nil, fault.Wrap(fault.Usage, fmt.Errorf("reading allowed signers: %w", err))
		}
	}
	return all, nil
}

// Parse reads one file's content; name is for errors.
func Parse(name string, data []byte) (*Signers, error) {
	all := &Signers{}
	if err := all.add(name, data); err != nil {
		return nil, fault.Wrap(fault.Usage, fmt.Errorf("reading allowed signers: %w", err))
	}
	return all, nil
}

func readFile(name string) (_ []byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fault.New(fault.Usage, "%s has more than %d bytes", name, maxFile)
	}
	return data, err
}

func (s *Signers) add(name string, data []byte) (err error) {
	defer catch(&err)
	if strings.Contains(string(data), "-----BEGIN PGP ") {
		keys, err := parseKeys(name, data)
		s.openpgp = append(s.openpgp, keys...)
		return err
	}
	list, err := parseAllowed(name, data)
	s.ssh = append(s.ssh, list...)
	return err
}

// Verify says who signed the tag object with these bytes (as `git cat-file tag`
// prints them), under that name. The error is fault.Refused and one of ErrUnsigned,
// ErrInvalid and ErrNotAllowed. A signed tag under another name is refused: it
// would be an old version posing as a new one.
func (s *Signers) Verify(name string, object []byte) (_ Signer, err error) {
	defer func() { err = fault.Wrap(fault.Refused, err) }()
	defer catch(&err)
	t, err := parseTag(object)
	if err != nil {
		return Signer{}, err
	}
	if t.name != name {
		return Signer{}, fmt.Errorf("%w: it was made for the tag %q, not for %q", ErrInvalid, clean(t.name), clean(name))
	}
	switch t.kind {
	case SSH:
		return s.verifySSH(t)
	case OpenPGP:
		return s.verifyOpenPGP(t)
	case X509:
		return Signer{}, fmt.Errorf("%w: X.509 signatures are not supported, only SSH's and OpenPGP's", ErrInvalid)
	}
	return Signer{}, ErrUnsigned
}

// catch makes a panic of a library over foreign bytes an error.
func catch(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: it cannot be read: %v", ErrInvalid, p)
	}
}

// clean makes a foreign text fit for a message, and no longer than one.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > maxName {
		s = strings.ToValidUTF8(s[:maxName], "") + "…"
	}
	return s
}

// maxName bounds what is quoted of a name, in bytes.
const maxName = 200
