package trust

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// preparation is the signing of one publication, role by role from the inside.
type preparation struct {
	opts      PublishOptions
	published *published
	keys      map[Role][]Key
	out       *Publication
}

func (p *preparation) sign(targets map[string]File) error {
	names := map[string]File{}
	delegations := p.delegations(len(targets))
	unchanged, err := p.sameDelegations(delegations)
	if err != nil {
		return err
	}
	if names["targets.json"], err = p.signTargets(delegations, unchanged); err != nil {
		return err
	}
	p.keepFormer(names)
	if err := p.signBins(delegations.SuccinctRoles, unchanged, targets, names); err != nil {
		return err
	}
	inner, err := p.role(Snapshot, true, names, func(version int64, expires time.Time) ([]byte, error) {
		m := metadata.Snapshot(expires)
		m.Signed.Version, m.Signed.Meta = version, metaOf(names)
		return sign(m, p.keys[Snapshot]...)
	})
	if err != nil {
		return err
	}
	names = map[string]File{"snapshot.json": inner}
	_, err = p.role(Timestamp, false, names, func(version int64, expires time.Time) ([]byte, error) {
		m := metadata.Timestamp(expires)
		m.Signed.Version, m.Signed.Meta = version, metaOf(names)
		return sign(m, p.keys[Timestamp]...)
	})
	return err
}

// delegations are to bins under the keys that the root names for targets.
func (p *preparation) delegations(targets int) *metadata.Delegations {
	root := p.published.chain.last().Signed
	role := root.Roles[string(Targets)]
	keys := map[string]*metadata.Key{}
	for _, id := range role.KeyIDs {
		keys[id] = root.Keys[id]
	}
	bits := 0
	if before := p.published.documents[Targets]; before != nil && before.succinct() != nil {
		bits = before.succinct().BitLength
	}
	return &metadata.Delegations{Keys: keys, SuccinctRoles: &metadata.SuccinctRoles{
		KeyIDs: role.KeyIDs, Threshold: role.Threshold, BitLength: nextBits(bits, targets), NamePrefix: binPrefix,
	}}
}

func (p *preparation) sameDelegations(now *metadata.Delegations) (bool, error) {
	before := p.published.documents[Targets]
	if before == nil {
		return false, nil
	}
	old, err := json.Marshal(before.signed.(*metadata.Metadata[metadata.TargetsType]).Signed.Delegations)
	if err != nil {
		return false, fmt.Errorf("signing: %w", err)
	}
	data, err := json.Marshal(now)
	if err != nil {
		return false, fmt.Errorf("signing: %w", err)
	}
	return string(old) == string(data), nil
}

func (p *preparation) signTargets(delegations *metadata.Delegations, unchanged bool) (File, error) {
	return p.role(Targets, unchanged && p.published.current[Targets], nil, func(version int64, expires time.Time) ([]byte, error) {
		m := metadata.Targets(expires)
		m.Signed.Version, m.Signed.Delegations = version, delegations
		return sign(m, p.keys[Targets]...)
	})
}

// keepFormer names the bins that were delegated to before there were more of
// them: a client refuses a snapshot from which a name is gone.
func (p *preparation) keepFormer(names map[string]File) {
	if before := p.published.documents[Snapshot]; before != nil {
		for name, f := range before.Files {
			if name != "targets.json" {
				names[name] = f
			}
		}
	}
}

func (p *preparation) signBins(s *metadata.SuccinctRoles, unchanged bool, targets, names map[string]File) error {
	contents := map[Role]map[string]File{}
	for name, f := range targets {
		bin := binOf(s, name)
		if contents[bin] == nil {
			contents[bin] = map[string]File{}
		}
		contents[bin][name] = f
	}
	for _, name := range s.GetRoles() {
		f, err := p.signBin(Role(name), unchanged, contents[Role(name)])
		if err != nil {
			return err
		}
		names[name+".json"] = File{Version: f.Version}
	}
	return nil
}

func (p *preparation) signBin(bin Role, unchanged bool, files map[string]File) (File, error) {
	return p.role(bin, unchanged, files, func(version int64, expires time.Time) ([]byte, error) {
		m := metadata.Targets(expires)
		m.Signed.Version = version
		for name, f := range files {
			hash, err := hex.DecodeString(f.SHA256)
			if err != nil {
				return nil, fmt.Errorf("target %q: %w", name, err)
			}
			m.Signed.Targets[name] = &metadata.TargetFiles{Length: f.Length, Hashes: metadata.Hashes{"sha256": hash}, Path: name}
		}
		return sign(m, p.keys[Targets]...)
	})
}

// role keeps what is published when it still says the same and lasts long
// enough, or signs the next version. same tells what files does not.
func (p *preparation) role(role Role, same bool, files map[string]File, signed func(int64, time.Time) ([]byte, error)) (File, error) {
	before := p.published.documents[role]
	if same && before != nil && (role.IsBin() || p.published.current[role]) && maps.Equal(before.Files, files) && p.lasts(before) {
		p.note(role, before.Version, before.Expires)
		return p.published.files[role], nil
	}
	version, expires := p.published.next(role), whole(p.opts.Now.Add(p.opts.Expiry.Of(role)))
	data, err := signed(version, expires)
	if err != nil {
		return File{}, err
	}
	if int64(len(data)) > MaxLength(role) {
		return File{}, fmt.Errorf("signing: %s metadata has %d bytes, expected at most %d", role, len(data), MaxLength(role))
	}
	p.note(role, version, expires)
	p.signed(role, version)
	p.out.files = append(p.out.files, publishedFile{Name(role, version), data})
	return File{Version: version, Length: int64(len(data)), SHA256: Fingerprint(data)}, nil
}

func (p *preparation) note(role Role, version int64, expires time.Time) {
	if role.IsBin() {
		p.out.Bins++
		return
	}
	p.out.Versions[role], p.out.Expires[role] = version, expires
}

func (p *preparation) signed(role Role, version int64) {
	if role.IsBin() {
		p.out.SignedBins++
		return
	}
	p.out.Signed = append(p.out.Signed, role)
	if role != Snapshot {
		return
	}
	announced := int64(0)
	if before := p.published.documents[Snapshot]; before != nil {
		announced = before.Version
	}
	for _, left := range p.published.snapshots {
		if left > announced && left < version {
			p.out.leftovers = append(p.out.leftovers, Name(Snapshot, left))
		}
	}
}

// lasts tells what need not be signed anew for its age. What is valid for longer
// than it would be now is signed anew too: it was signed with a clock that was
// ahead, and would let an attacker hold it back for as long.
func (p *preparation) lasts(d *Document) bool {
	left, whole := d.Expires.Sub(p.opts.Now), p.opts.Expiry.Of(d.Role)
	return left > whole/2 && left <= whole+ClockSlack
}

// metaOf leaves length and hash out where they are not known: of bins.
func metaOf(files map[string]File) map[string]*metadata.MetaFiles {
	meta := map[string]*metadata.MetaFiles{}
	for name, f := range files {
		meta[name] = &metadata.MetaFiles{Version: f.Version, Length: f.Length}
		if f.SHA256 != "" {
			hash, _ := hex.DecodeString(f.SHA256) // made by Fingerprint or read back from metadata
			meta[name].Hashes = metadata.Hashes{"sha256": hash}
		}
	}
	return meta
}
