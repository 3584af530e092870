package catalogue

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
)

// KeysName and RootName are what Init makes beside the configuration.
const (
	KeysName = "keys"
	RootName = "root.json"
)

// InitOptions say how a catalogue begins.
type InitOptions struct {
	// Name is the catalogue's; the folder's name when empty.
	Name string
	// Now is when the root starts to be valid; zero means the clock.
	Now time.Time
	// RootKeys are files of public keys that were made on other machines, of which
	// Threshold must sign every root (one, when zero). The first root then is a
	// proposal for them to sign, and no root key is made here.
	RootKeys  []string
	Threshold int
	// Passphrase encrypts the keys that are made; they are plain without it.
	Passphrase []byte
}

// Initialised is what Init made.
type Initialised struct {
	Config      string `json:"config"` // paths
	Keys        string `json:"keys"`
	Root        string `json:"root"`
	Fingerprint string `json:"fingerprint"` // of the root, SHA-256; "" before it is signed
	// Proposal is what the root keys are to sign, "" when Root is there.
	Proposal string `json:"proposal,omitempty"`
}

// RootFingerprint is the SHA-256 of a root metadata file, in hex: what
// sha256sum prints for root.json, and what operators compare.
func RootFingerprint(root []byte) string { return trust.Fingerprint(root) }

// ShortFingerprint is the first 16 digits of a fingerprint in groups of four,
// for reading aloud. galley itself always compares all 64.
func ShortFingerprint(fingerprint string) string { return trust.Short(fingerprint) }

// Init begins a catalogue in dir: a commented galley-catalogue.yml, one key for
// each role in keys/ (0700, files 0600), and root.json, signed. Nothing that is
// there is overwritten, and after an error nothing new is there.
func Init(dir string, opts InitOptions) (_ *Initialised, err error) {
	if opts.Now.IsZero() {
		opts.Now = time.Now()
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("beginning a catalogue: %w", err)
	}
	if opts.Name == "" {
		opts.Name = filepath.Base(abs)
	}
	made := &Initialised{
		Config: filepath.Join(dir, ConfigName), Keys: filepath.Join(dir, KeysName), Root: filepath.Join(dir, RootName),
	}
	proposal := filepath.Join(dir, ProposalName)
	if err := refuseExisting(made.Config, made.Keys, made.Root, proposal); err != nil {
		return nil, err
	}
	root := made.Root
	if len(opts.RootKeys) > 0 {
		made.Proposal, root = proposal, proposal
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("beginning a catalogue: %w", err)
	}
	staging, err := os.MkdirTemp(dir, ".galley-init-")
	if err != nil {
		return nil, fmt.Errorf("beginning a catalogue: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(staging)) }()
	if made.Fingerprint, err = begin(staging, opts); err != nil {
		return nil, fmt.Errorf("beginning a catalogue: %w", err)
	}
	var moved []string
	for _, to := range []string{made.Keys, root, made.Config} {
		if err := os.Rename(filepath.Join(staging, filepath.Base(to)), to); err != nil {
			return nil, errors.Join(fmt.Errorf("beginning a catalogue: %w", err), removeAll(moved))
		}
		moved = append(moved, to)
	}
	return made, nil
}

func refuseExisting(names ...string) error {
	for _, name := range names {
		_, err := os.Lstat(name)
		if err == nil {
			return fault.Hint(fault.New(fault.Usage, "beginning a catalogue: %q is there already", name), "choose another folder")
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("beginning a catalogue: %w", err)
		}
	}
	return nil
}

func removeAll(names []string) error {
	var errs []error
	for _, name := range names {
		errs = append(errs, os.RemoveAll(name))
	}
	return errors.Join(errs...)
}

// begin writes everything into an empty folder.
func begin(dir string, opts InitOptions) (fingerprint string, err error) {
	config := strings.Replace(exampleConfig, "NAME", quoteYAML(opts.Name), 1)
	parsed, err := ParseConfig(filepath.Join(dir, ConfigName), []byte(config))
	if err != nil {
		return "", err
	}
	keysDir := filepath.Join(dir, KeysName)
	if err := os.Mkdir(keysDir, 0o700); err != nil {
		return "", err
	}
	// Keys do not belong into a repository, and this folder is likely to be one.
	if err := os.WriteFile(filepath.Join(keysDir, ".gitignore"), []byte("*\n"), 0o600); err != nil {
		return "", err
	}
	root, err := beginRoot(dir, keysDir, opts, opts.Now.Add(parsed.Expiry.Root))
	if err != nil {
		return "", err
	}
	if root != nil {
		fingerprint = RootFingerprint(root)
	}
	return fingerprint, os.WriteFile(filepath.Join(dir, ConfigName), []byte(config), 0o644)
}

// beginRoot makes the keys and the first root, or its proposal: then root is nil.
func beginRoot(dir, keysDir string, opts InitOptions, expires time.Time) (root []byte, err error) {
	p, err := trust.Propose(nil, expires)
	if err != nil {
		return nil, err
	}
	var rootKey trust.Key
	for _, role := range trust.Roles {
		if role == trust.Root && len(opts.RootKeys) > 0 {
			continue
		}
		key, private, err := trust.NewKey()
		if err != nil {
			return nil, err
		}
		if role == trust.Root {
			rootKey = key
		}
		if err := trust.WriteKey(trust.KeyFile(keysDir, role), private, opts.Passphrase, "galley "+string(role)); err != nil {
			return nil, err
		}
		if err := p.Add(role, key.PublicKey); err != nil {
			return nil, err
		}
	}
	for _, name := range opts.RootKeys {
		key, err := trust.ReadPublicKey(name)
		if err != nil {
			return nil, err
		}
		if err := p.Add(trust.Root, key); err != nil {
			return nil, err
		}
	}
	if err := p.SetThreshold(trust.Root, max(opts.Threshold, 1)); err != nil {
		return nil, err
	}
	return writeFirst(dir, p, rootKey, len(opts.RootKeys) > 0)
}

func writeFirst(dir string, p *trust.Proposal, key trust.Key, proposal bool) (root []byte, err error) {
	if !proposal {
		if err := p.Sign(key); err != nil {
			return nil, err
		}
	}
	data, err := p.Bytes()
	if err != nil {
		return nil, err
	}
	if proposal {
		return nil, os.WriteFile(filepath.Join(dir, ProposalName), data, 0o644)
	}
	return data, os.WriteFile(filepath.Join(dir, RootName), data, 0o644)
}

func quoteYAML(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

const exampleConfig = `# A galley catalogue: what "galley catalogue build" reads.
name: NAME

# One repository for each recipe. Every annotated tag that is a version, such as
# 1.2.0+5.1.0, becomes an entry, unless the gate or a missing digest keeps it out.
sources: []
#  - git: https://git.example.org/recipes/matomo.git
#    name: matomo          # the last part of the address when left out
#    compose: compose.yml  # the first known name when left out
#    gate: error           # error, warning, info or off: findings that keep a version out
#    signers: [allowed_signers]  # keys that must sign every tag: OpenSSH's format, or OpenPGP
#  - path: ../recipes/traefik  # a local repository, relative to this file
#  - folder: ../more-recipes   # every repository in a folder
#    include: ["*"]            # names that are taken
#    exclude: [test-*]         # and not taken
#  - gitea: https://git.example.org/recipes  # an organisation of a Gitea or Forgejo server
#    token_file: gitea-token   # an access token, in a file with mode 0600
#    transport: https          # or ssh

# Every image must have these; without any, what there is is taken.
#platforms: [linux/amd64, linux/arm64]

# Where registries, or parts of them, are asked instead. Entries keep the names.
#registries:
#  docker.io: mirror.example.org

# Registries that speak plain HTTP.
#insecure: ["registry.internal:5000"]

# How long files that nothing names any more stay published, for slow readers.
#keep: 7d

# The most requests that one build makes of registries.
#max_requests: 5000

# How long signatures are valid: a number and h, d, w or y.
#expiry:
#  root: 1y
#  targets: 90d
#  snapshot: 90d
#  timestamp: 14d
`
