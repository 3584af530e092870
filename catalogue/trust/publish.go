package trust

import (
	"fmt"
	"slices"
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
	// Former is when the timestamp before this one expires, zero when there is none.
	Former time.Time
	// Signed are the top-level roles that were signed anew; the timestamp always is.
	Signed []Role
	// Before are the targets of the last publication, verified; nil for the first.
	Before map[string]File
	// Bins is the number of hash bins, and SignedBins that of those signed anew.
	Bins, SignedBins int
	// Fingerprint is of the first root, which clients start from.
	Fingerprint string

	roots     []publishedFile
	copied    publishedFile   // of the newest root, for readers who know no numbers
	files     []publishedFile // signed anew, the timestamp last
	leftovers []string        // snapshots that a killed run did not announce
}

type publishedFile struct {
	name string
	data []byte
}

// PublishedTargets are the targets that are published, verified as Prepare does;
// none before the first publication.
func PublishedTargets(opts PublishOptions) (map[string]File, error) {
	p, err := readPublished(opts)
	if err != nil {
		return nil, err
	}
	return p.targets, nil
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
		roots:       rootFiles(chain),
		copied:      publishedFile{RootCopyName, chain.Last()},
	}}
	if before := published.documents[Timestamp]; before != nil {
		p.out.Former = before.Expires
	}
	if err := p.sign(targets); err != nil {
		return nil, err
	}
	return p.out, nil
}

// Write writes the metadata: what the timestamp leads to, then Announce.
func (p *Publication) Write(public *disk.Dir) error {
	if err := p.WriteInner(public); err != nil {
		return err
	}
	return p.Announce(public)
}

// WriteInner writes what the timestamp will lead to: under numbers that nothing
// names yet, so no reader notices.
func (p *Publication) WriteInner(public *disk.Dir) error {
	if err := write(public, p.files[:len(p.files)-1]...); err != nil {
		return err
	}
	return public.Sync(Folder)
}

// Announce makes readers see what WriteInner wrote: new roots, which close the
// old timestamp to readers when they name another key for it, and directly after
// them the timestamp. The copy of the newest root changes last, but for a first one.
//
// Snapshots that a killed run left go before that: so every snapshot below the
// current one was announced once, and Superseded can tell when one ceased to be
// current from the file of the next.
func (p *Publication) Announce(public *disk.Dir) error {
	for _, name := range p.leftovers {
		if err := public.Remove(name); err != nil {
			return err
		}
	}
	if len(p.leftovers) > 0 {
		if err := public.Sync(Folder); err != nil {
			return err
		}
	}
	if err := write(public, p.announced(!public.Exists(RootCopyName))...); err != nil {
		return err
	}
	return public.Sync(Folder)
}

// announced are the files that Announce writes, in order.
func (p *Publication) announced(first bool) []publishedFile {
	timestamp := p.files[len(p.files)-1]
	if first {
		return append(slices.Clone(p.roots), p.copied, timestamp)
	}
	return append(slices.Clone(p.roots), timestamp, p.copied)
}

// write writes files one after the other, but for those that are there.
func write(public *disk.Dir, files ...publishedFile) error {
	for _, f := range files {
		old, err := public.Read(f.name, int64(len(f.data)))
		if err == nil && string(old) == string(f.data) {
			continue
		}
		if err := public.Write(f.name, f.data); err != nil {
			return err
		}
	}
	return nil
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
