package catalogue

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/renameio/v2"

	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
)

// ProposalName is the next root while it gathers signatures, beside root.json.
const ProposalName = "root.proposed.json"

// KeyOptions say where a publisher's keys and roots are. On a machine of a root
// key that is a folder with that key, root.json and the proposal.
type KeyOptions struct {
	Keys string // folder of key files
	Root string // root.json; the roots before it stand beside it as N.root.json
	// Proposal is the proposed root; ProposalName beside Root when empty.
	Proposal string
	// Public is the published folder, of which List tells when it expires. It need
	// not be there.
	Public string
	// Expiry is how long roles are valid; trust.DefaultExpiry where zero.
	Expiry trust.Expiry
	// Now is the moment; zero means the clock.
	Now time.Time
	// Passphrase is asked for the keys that have one.
	Passphrase trust.Passphrase
}

func (o *KeyOptions) complete() {
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	if o.Proposal == "" {
		o.Proposal = filepath.Join(filepath.Dir(o.Root), ProposalName)
	}
	o.Expiry = completeExpiry(o.Expiry)
}

// NewKeyOptions say what key NewKey makes.
type NewKeyOptions struct {
	Dir  string     // folder of key files, made when it is not there
	Role trust.Role // names the file, and stands in its comment
	File string     // its path; the role's first free name in Dir when empty
	// Passphrase encrypts the file; none leaves it as it is.
	Passphrase []byte
}

// MadeKey is a key that NewKey made.
type MadeKey struct {
	Role   string `json:"role"`
	ID     string `json:"id"`
	File   string `json:"file"`
	Public string `json:"public"` // the public half: File with .pub
}

// NewKey makes a key file and, beside it, its public half. No root names it yet.
func NewKey(opts NewKeyOptions) (*MadeKey, error) {
	if !slices.Contains(trust.Roles, opts.Role) {
		return nil, fault.New(fault.Usage, "%q is no role: expected root, targets, snapshot or timestamp", opts.Role)
	}
	key, private, err := trust.NewKey()
	if err != nil {
		return nil, err
	}
	if opts.File == "" {
		if err := makeKeysDir(opts.Dir); err != nil {
			return nil, err
		}
		if opts.File, err = freeKeyFile(opts.Dir, opts.Role); err != nil {
			return nil, err
		}
	}
	made := &MadeKey{Role: string(opts.Role), ID: key.ID(), File: opts.File, Public: opts.File + ".pub"}
	comment := "galley " + string(opts.Role)
	if err := trust.WriteKey(made.File, private, opts.Passphrase, comment); err != nil {
		return nil, err
	}
	if err := trust.WritePublicKey(made.Public, private, comment); err != nil {
		return nil, errors.Join(err, os.Remove(made.File))
	}
	return made, nil
}

// makeKeysDir makes a folder of keys that stays out of repositories.
func makeKeysDir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("making a key: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, ".gitignore"), []byte("*\n"), 0o600)
}

// maxRoleKeys bounds the key files of one role in a folder.
const maxRoleKeys = 100

func freeKeyFile(dir string, role trust.Role) (string, error) {
	for n := 1; n <= maxRoleKeys; n++ {
		name := trust.KeyFile(dir, role)
		if n > 1 {
			name = filepath.Join(dir, fmt.Sprintf("%s-%d.pem", role, n))
		}
		_, err := os.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			_, err = os.Lstat(name + ".pub")
		}
		if errors.Is(err, fs.ErrNotExist) {
			return name, nil
		}
		if err != nil {
			return "", fmt.Errorf("making a key: %w", err)
		}
	}
	return "", fault.New(fault.Usage, "%q has %d key files of %s", dir, maxRoleKeys, role)
}

// ExportedRoot is a root for operators to pin.
type ExportedRoot struct {
	Version     int64     `json:"version"`
	Expires     time.Time `json:"expires"`
	Fingerprint string    `json:"fingerprint"` // of Data, SHA-256
	// First is the fingerprint of the catalogue's first root, which a client shows
	// that trusts on first use; "" when that root is not beside the newest.
	First string `json:"first,omitempty"`
	// Data is the file, byte for byte.
	Data string `json:"root"`
}

// ExportRoot reads the newest root.
func ExportRoot(opts KeyOptions) (*ExportedRoot, error) {
	data, err := readRoot(opts.Root)
	if err != nil {
		return nil, err
	}
	info, err := trust.ReadRoot(data)
	if err != nil {
		return nil, fault.New(fault.Refused, "%s %w", opts.Root, err)
	}
	out := &ExportedRoot{Version: info.Version, Expires: info.Expires, Fingerprint: trust.Fingerprint(data), Data: string(data)}
	earlier, err := earlierRoots(opts.Root)
	if err != nil {
		return nil, err
	}
	first := append(earlier, data)[0]
	if info, err := trust.ReadRoot(first); err == nil && info.Version == 1 {
		out.First = trust.Fingerprint(first)
	}
	return out, nil
}

// olderRoot is where the root of a version stands once there is a newer one.
func olderRoot(root string, version int64) string {
	return filepath.Join(filepath.Dir(root), fmt.Sprintf("%d.root.json", version))
}

// earlierRoots are the roots that stand beside a root, without gaps, oldest first.
func earlierRoots(root string) ([][]byte, error) {
	data, err := readRoot(root)
	if err != nil {
		return nil, err
	}
	doc, err := trust.Parse(trust.Root, data)
	if err != nil {
		return nil, fault.New(fault.Refused, "%s %w", root, err)
	}
	var found [][]byte
	for version := doc.Version - 1; version > 0 && len(found) < trust.MaxRoots; version-- {
		data, err := readRoot(olderRoot(root, version))
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return nil, err
		}
		found = append(found, data)
	}
	slices.Reverse(found)
	return found, nil
}

// replaceFile writes a file beside where it goes and renames it.
func replaceFile(name string, data []byte) error {
	if err := renameio.WriteFile(name, data, 0o644); err != nil {
		return fmt.Errorf("writing %q: %w", name, err)
	}
	return nil
}
