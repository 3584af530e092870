package trust

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/galley-coop/galley/internal/fault"
)

// Proposal is the next root of a catalogue: not signed, partly signed or whole.
// It is whole once as many keys as the root before it asks for have signed it,
// and as many as it asks for itself (TUF 1.0.31, section 6.1). Whoever changes it
// takes its signatures away.
type Proposal struct {
	current *metadata.Metadata[metadata.RootType] // nil when this is the first root
	next    *metadata.Metadata[metadata.RootType]
}

// ErrInPlace means that what is proposed is the root already.
var ErrInPlace = errors.New("is in place already")

// Propose begins the root after current: the same keys and the next version.
// Nil begins the first root of a catalogue, without any keys.
func Propose(current []byte, expires time.Time) (*Proposal, error) {
	if current == nil {
		return &Proposal{next: emptyRoot(expires)}, nil
	}
	chain, err := NewChain(current)
	if err != nil {
		return nil, err
	}
	next, err := new(metadata.Metadata[metadata.RootType]).FromBytes(current)
	if err != nil {
		return nil, err
	}
	next.ClearSignatures()
	next.Signed.Version++
	next.Signed.Expires = whole(expires)
	return &Proposal{current: chain.last(), next: next}, nil
}

// ReadProposal reads what Bytes wrote. Every signature on it must be right.
func ReadProposal(current, data []byte) (*Proposal, error) {
	doc, err := Parse(Root, data)
	if err != nil {
		return nil, err
	}
	p, want := &Proposal{next: doc.signed.(*metadata.Metadata[metadata.RootType])}, int64(1)
	if current != nil {
		chain, err := NewChain(current)
		if err != nil {
			return nil, fmt.Errorf("follows a root that %w", err)
		}
		if string(current) == string(data) {
			return nil, ErrInPlace
		}
		p.current, want = chain.last(), chain.Version()+1
	}
	if doc.Version != want {
		return nil, fmt.Errorf("has version %d, expected %d", doc.Version, want)
	}
	return p, p.check(doc)
}

func (p *Proposal) check(doc *Document) (err error) {
	defer catch(&err)
	if !p.next.Signed.ConsistentSnapshot {
		return errors.New("does not ask for consistent snapshots")
	}
	for _, role := range Roles {
		named := p.next.Signed.Roles[string(role)]
		if named == nil || named.Threshold < 1 || named.Threshold > len(named.KeyIDs) {
			return fmt.Errorf("asks for more keys of %s than it names", role)
		}
	}
	for _, s := range doc.signatures {
		if !oneSigned(p.next, doc, s.KeyID) && (p.current == nil || !oneSigned(p.current, doc, s.KeyID)) {
			return errors.New("carries a signature that is not right")
		}
	}
	return nil
}

// Version is the proposed root's.
func (p *Proposal) Version() int64 { return p.next.Signed.Version }

// Expires is when the proposed root does.
func (p *Proposal) Expires() time.Time { return p.next.Signed.Expires }

// Bytes is the file: a root metadata file, which is root.json once it is whole.
func (p *Proposal) Bytes() ([]byte, error) { return p.next.ToBytes(false) }

// Same tells whether two proposals say the same, whoever signed them.
func (p *Proposal) Same(other *Proposal) bool {
	mine, err := json.Marshal(p.next.Signed)
	theirs, otherErr := json.Marshal(other.next.Signed)
	return err == nil && otherErr == nil && bytes.Equal(mine, theirs)
}

// KeyIDs are the keys that the proposed root names for a role.
func (p *Proposal) KeyIDs(role Role) []string {
	return slices.Clone(p.next.Signed.Roles[string(role)].KeyIDs)
}

// Add names one more key for a role.
func (p *Proposal) Add(role Role, key PublicKey) error {
	if slices.Contains(p.KeyIDs(role), key.ID()) {
		return fault.New(fault.Usage, "key %s is one of %s already", shortID(key.ID()), role)
	}
	p.next.ClearSignatures()
	return p.next.Signed.AddKey(key.metadata, string(role))
}

// Replace names another key for a role in the place of one.
func (p *Proposal) Replace(role Role, id string, key PublicKey) error {
	if err := p.Add(role, key); err != nil {
		return err
	}
	return p.next.Signed.RevokeKey(id, string(role))
}

// Revoke takes a key away from every role. A role that is left with fewer keys
// than it asks for is an error: nobody could sign for it any more.
func (p *Proposal) Revoke(id string) error {
	var roles []Role
	for _, role := range Roles {
		named := p.next.Signed.Roles[string(role)]
		if !slices.Contains(named.KeyIDs, id) {
			continue
		}
		if len(named.KeyIDs)-1 < named.Threshold {
			err := fault.New(fault.Usage, "without key %s, %s would have %d of the %d keys that it needs", shortID(id), role, len(named.KeyIDs)-1, named.Threshold)
			return fault.Hint(err, "galley catalogue keys rotate %s puts a new key in its place", role)
		}
		roles = append(roles, role)
	}
	p.next.ClearSignatures()
	for _, role := range roles {
		if err := p.next.Signed.RevokeKey(id, string(role)); err != nil {
			return err
		}
	}
	return nil
}

// SetThreshold says how many of a role's keys must sign.
func (p *Proposal) SetThreshold(role Role, n int) error {
	named := p.next.Signed.Roles[string(role)]
	if n < 1 || n > len(named.KeyIDs) {
		err := fault.New(fault.Usage, "%s has %d keys, so %d of them cannot sign", role, len(named.KeyIDs), n)
		return fault.Hint(err, "galley catalogue keys add names more keys")
	}
	p.next.ClearSignatures()
	named.Threshold = n
	return nil
}

// SetExpires says how long the proposed root is valid.
func (p *Proposal) SetExpires(at time.Time) {
	p.next.ClearSignatures()
	p.next.Signed.Expires = whole(at)
}

// Sign adds the signature of a key that the root before it, or the proposed one,
// names for root. A key that has signed already changes nothing.
func (p *Proposal) Sign(key Key) error {
	if !p.MaySign(key.ID()) {
		return fault.New(fault.Refused, "key %s is no root key, neither now nor then", shortID(key.ID()))
	}
	if p.HasSigned(key.ID()) {
		return nil
	}
	if _, err := p.next.Sign(key.signer); err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	return nil
}

// MaySign tells whether a key's signature counts.
func (p *Proposal) MaySign(id string) bool {
	return slices.Contains(p.KeyIDs(Root), id) || p.current != nil && slices.Contains(p.current.Signed.Roles[metadata.ROOT].KeyIDs, id)
}

// HasSigned tells whether a key did.
func (p *Proposal) HasSigned(id string) bool {
	return slices.ContainsFunc(p.next.Signatures, func(s metadata.Signature) bool { return s.KeyID == id })
}

// SignatureCount is how many signatures a proposal carries.
func (p *Proposal) SignatureCount() int { return len(p.next.Signatures) }

// Signatures are how many of one root's keys signed a proposal.
type Signatures struct {
	Root    int64    `json:"root"`   // whose keys: the version
	Needed  int      `json:"needed"` // of its keys
	Signed  []string `json:"signed"` // key identifiers
	Missing []string `json:"missing"`
}

// Enough tells whether the root's threshold is reached.
func (s Signatures) Enough() bool { return len(s.Signed) >= s.Needed }

// Signatures are counted under the root before it, unless this is the first, and
// under the proposed one.
func (p *Proposal) Signatures() []Signatures {
	var all []Signatures
	for _, by := range []*metadata.Metadata[metadata.RootType]{p.current, p.next} {
		if by == nil {
			continue
		}
		named := by.Signed.Roles[metadata.ROOT]
		s := Signatures{Root: by.Signed.Version, Needed: named.Threshold, Signed: []string{}, Missing: []string{}}
		for _, id := range named.KeyIDs {
			if p.HasSigned(id) {
				s.Signed = append(s.Signed, id)
				continue
			}
			s.Missing = append(s.Missing, id)
		}
		all = append(all, s)
	}
	return all
}

// Whole tells whether enough keys signed. Then Bytes is the next root.
func (p *Proposal) Whole() bool {
	return !slices.ContainsFunc(p.Signatures(), func(s Signatures) bool { return !s.Enough() })
}
