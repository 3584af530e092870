package trust

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

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
	// Signed are the roles that were signed anew; the timestamp always is.
	Signed []Role
	// Before are the targets of the last publication, verified; nil for the first.
	Before map[string]File
	// Retired are the targets that the last publication had and this one has not.
	Retired []string
	// Fingerprint is of the first root, which clients start from.
	Fingerprint string

	files []publishedFile
}

type publishedFile struct {
	name string
	data []byte
}

// Prepare signs metadata for targets on top of what is published. Nothing is
// written. Equal targets give a new timestamp and nothing else, until half of
// the time that targets and snapshot are valid has passed: then they are signed
// anew as well, so that a daily timestamp keeps a quiet catalogue alive.
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
		Before:      published.targets(),
		Retired:     retired(published.documents[Targets], targets),
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
// it leads to stands.
func (p *Publication) Write(public *disk.Dir) error {
	for i, f := range p.files {
		last := i == len(p.files)-1
		if last {
			if err := public.Sync(Folder); err != nil {
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

func (p *published) targets() map[string]File {
	if p.documents[Targets] == nil {
		return nil
	}
	return p.documents[Targets].Files
}

func retired(before *Document, targets map[string]File) []string {
	var names []string
	if before != nil {
		for _, name := range slices.Sorted(maps.Keys(before.Files)) {
			if _, ok := targets[name]; !ok {
				names = append(names, name)
			}
		}
	}
	return names
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

// preparation is the signing of one publication, role by role from the inside.
type preparation struct {
	opts      PublishOptions
	published *published
	keys      map[Role]Key
	out       *Publication
}

func (p *preparation) sign(targets map[string]File) error {
	inner, err := p.role(Targets, targets, func(version int64, expires time.Time) ([]byte, error) {
		m := metadata.Targets(expires)
		m.Signed.Version = version
		for name, f := range targets {
			hash, err := hex.DecodeString(f.SHA256)
			if err != nil {
				return nil, fmt.Errorf("target %q: %w", name, err)
			}
			m.Signed.Targets[name] = &metadata.TargetFiles{Length: f.Length, Hashes: metadata.Hashes{"sha256": hash}, Path: name}
		}
		return sign(m, p.keys[Targets])
	})
	if err != nil {
		return err
	}
	names := map[string]File{"targets.json": inner}
	inner, err = p.role(Snapshot, names, func(version int64, expires time.Time) ([]byte, error) {
		m := metadata.Snapshot(expires)
		m.Signed.Version, m.Signed.Meta = version, metaOf(names)
		return sign(m, p.keys[Snapshot])
	})
	if err != nil {
		return err
	}
	names = map[string]File{"snapshot.json": inner}
	_, err = p.role(Timestamp, names, func(version int64, expires time.Time) ([]byte, error) {
		m := metadata.Timestamp(expires)
		m.Signed.Version, m.Signed.Meta = version, metaOf(names)
		return sign(m, p.keys[Timestamp])
	})
	return err
}

// role keeps what is published when it still says the same and lasts long
// enough, or signs the next version.
func (p *preparation) role(role Role, files map[string]File, signed func(int64, time.Time) ([]byte, error)) (File, error) {
	before := p.published.documents[role]
	if role != Timestamp && before != nil && p.published.current[role] && maps.Equal(before.Files, files) && p.lasts(before) {
		p.out.Versions[role], p.out.Expires[role] = before.Version, before.Expires
		return p.published.files[role], nil
	}
	version, expires := p.published.highest[role]+1, whole(p.opts.Now.Add(p.opts.Expiry.Of(role)))
	data, err := signed(version, expires)
	if err != nil {
		return File{}, err
	}
	if int64(len(data)) > MaxLength(role) {
		return File{}, fmt.Errorf("signing: %s metadata has %d bytes, expected at most %d", role, len(data), MaxLength(role))
	}
	p.out.Versions[role], p.out.Expires[role] = version, expires
	p.out.Signed = append(p.out.Signed, role)
	p.out.files = append(p.out.files, publishedFile{Name(role, version), data})
	return File{Version: version, Length: int64(len(data)), SHA256: Fingerprint(data)}, nil
}

func (p *preparation) lasts(d *Document) bool {
	return d.Expires.Sub(p.opts.Now) > p.opts.Expiry.Of(d.Role)/2
}

func metaOf(files map[string]File) map[string]*metadata.MetaFiles {
	meta := map[string]*metadata.MetaFiles{}
	for name, f := range files {
		hash, _ := hex.DecodeString(f.SHA256) // made by Fingerprint or read back from metadata
		meta[name] = &metadata.MetaFiles{Version: f.Version, Length: f.Length, Hashes: metadata.Hashes{"sha256": hash}}
	}
	return meta
}
