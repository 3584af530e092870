package trust

import (
	"fmt"
	"slices"
	"time"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/internal/fault"
)

// PublishOptions say what is signed, and with what.
type PublishOptions struct {
	// Public is the published directory; what stands there is verified first and
	// followed on.
	Public *disk.Dir
	// KeysDir holds the keys of targets, snapshot and timestamp. The root's key
	// is not looked for.
	KeysDir string
	// Root is the root metadata file that is published: the first one, the
	// newest published one, or the one after it. RootName is for errors.
	Root     []byte
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
		err := fault.New(fault.Refused, "signing: %s expired %s", opts.RootName, Ago(opts.Now.Sub(chain.Expires())))
		return nil, fault.Hint(err, "sign a new root with the root key first")
	}
	keys, err := readKeys(opts, chain)
	if err != nil {
		return nil, err
	}
	p := &preparation{opts: opts, published: published, keys: keys, out: &Publication{
		Versions:    map[Role]int64{Root: chain.Version()},
		Expires:     map[Role]time.Time{Root: chain.Expires()},
		Before:      published.targets,
		Fingerprint: Fingerprint(chain.First()),
	}}
	for i, root := range chain.files {
		p.out.files = append(p.out.files, publishedFile{Name(Root, chain.FirstVersion()+int64(i)), root})
	}
	p.out.files = append(p.out.files, publishedFile{RootCopyName, chain.Last()})
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

// readKeys reads the online keys and sees that the root names each of them.
func readKeys(opts PublishOptions, chain *Chain) (map[Role]Key, error) {
	keys := map[Role]Key{}
	for _, role := range Roles[1:] {
		name := KeyFile(opts.KeysDir, role)
		key, err := ReadKey(name)
		if err != nil {
			return nil, fmt.Errorf("signing: %w", err)
		}
		named := chain.last().Signed.Roles[string(role)]
		if !slices.Contains(named.KeyIDs, key.ID()) {
			err := fault.New(fault.Refused, "signing: %s does not name the key %q for %s", opts.RootName, name, role)
			return nil, fault.Hint(err, "sign with the keys that %s was made with", opts.RootName)
		}
		if named.Threshold > 1 {
			return nil, fault.New(fault.Refused, "signing: %s asks for %d signatures for %s, expected 1", opts.RootName, named.Threshold, role)
		}
		keys[role] = key
	}
	return keys, nil
}
