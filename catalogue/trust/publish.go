package trust

import (
	"fmt"
	"time"

	"github.com/galley-coop/galley/catalogue/disk"
)

// PublishOptions say what is signed, and with what.
type PublishOptions struct {
	// Public is the published directory; what stands there is verified first and
	// followed on.
	Public *disk.Dir
	// KeysDir holds the keys of targets, snapshot and timestamp, as many of each as
	// the root asks for. The root's key is not needed.
	KeysDir string
	// Passphrase is asked for the keys that have one; nil when none may.
	Passphrase Passphrase
	// Root is the root metadata file that is published: the first one, the
	// newest published one, or one after it. RootName is for errors.
	Root []byte
	// Earlier are roots before it that may not be published yet, oldest first.
	Earlier  [][]byte
	RootName string
	Expiry   Expiry
	Now      time.Time
}

// Publication is signed metadata that is not written yet.
type Publication struct {
	Versions map[Role]int64
	Expires  map[Role]time.Time
	// Signed are the top-level roles that were signed anew; the timestamp always is.
	Signed []Role
	// Before are the targets of the last publication, verified; nil for the first.
	Before map[string]File
	// Bins is the number of hash bins, and SignedBins that of those signed anew.
	Bins, SignedBins int
	// Fingerprint is of the first root, which clients start from.
	Fingerprint string

	files     []publishedFile
	leftovers []string // snapshots that a killed run did not announce
}

type publishedFile struct {
	name string
	data []byte
}

// Prepare signs metadata for targets on top of what is published. Nothing is
// written. Equal targets give a new timestamp and nothing else, until half of
// the time that targets and snapshot are valid has passed: then they are signed
// anew as well, so that a daily timestamp keeps a quiet catalogue alive. A changed
// target signs its bin, the snapshot and the timestamp.
//
// Published metadata that does not verify is fault.Refused, and so is an expired
// root: no client would take what stands under it.
func Prepare(opts PublishOptions, targets map[string]File) (*Publication, error) {
	published, err := readPublished(opts)
	if err != nil {
		return nil, err
	}
	chain := published.chain
	if !opts.Now.Before(chain.Expires()) {
		return nil, expiredRoot(opts, chain)
	}
	keys, err := readKeys(opts, chain, Roles[1:]...)
	if err != nil {
		return nil, err
	}
	p := &preparation{opts: opts, published: published, keys: keys, out: &Publication{
		Versions:    map[Role]int64{Root: chain.Version()},
		Expires:     map[Role]time.Time{Root: chain.Expires()},
		Before:      published.targets,
		Fingerprint: Fingerprint(chain.First()),
		files:       rootFiles(chain),
	}}
	if err := p.sign(targets); err != nil {
		return nil, err
	}
	return p.out, nil
}

// Write writes the metadata: roots first, the timestamp last, after everything
// it leads to stands. Snapshots that a killed run left go before it is: so every
// snapshot below the current one was announced once, and Superseded can tell when
// one ceased to be current from the file of the next.
func (p *Publication) Write(public *disk.Dir) error {
	for i, f := range p.files {
		last := i == len(p.files)-1
		if last {
			if err := p.removeLeftovers(public); err != nil {
				return err
			}
		}
		old, err := public.Read(f.name, int64(len(f.data)))
		if err == nil && string(old) == string(f.data) {
			continue
		}
		if err := public.Write(f.name, f.data); err != nil {
			return err
		}
	}
	return public.Sync(Folder)
}

func (p *Publication) removeLeftovers(public *disk.Dir) error {
	if err := public.Sync(Folder); err != nil { // the new snapshot's name holds the highest number
		return err
	}
	for _, name := range p.leftovers {
		if err := public.Remove(name); err != nil {
			return err
		}
	}
	return public.Sync(Folder)
}

// readKeys reads the keys of the given roles, as many as the root asks for.
func readKeys(opts PublishOptions, chain *Chain, roles ...Role) (map[Role][]Key, error) {
	ring, err := OpenKeyring(opts.KeysDir)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	keys := map[Role][]Key{}
	for _, role := range roles {
		if keys[role], err = ring.unlock(chain.last(), opts.RootName, role, opts.Passphrase); err != nil {
			return nil, fmt.Errorf("signing: %w", err)
		}
	}
	return keys, nil
}
