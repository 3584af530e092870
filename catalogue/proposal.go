package catalogue

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
)

// Proposed is the next root: what it changes and who has signed it.
type Proposed struct {
	File    string             `json:"file"`
	Version int64              `json:"version"`
	Changes []trust.RoleChange `json:"changes"`
	Expires time.Time          `json:"expires"`
	// ExpiresBefore is of the root that it follows, nil for the first one.
	ExpiresBefore *time.Time `json:"expires_before"`
	// Signatures are counted under the root before it and under itself.
	Signatures []trust.Signatures `json:"signatures"`
	Cautions   []string           `json:"cautions"`
	// Dropped are signatures that a change took away.
	Dropped int `json:"dropped"`
	// Key is the key file that was made for it, if one was.
	Key *MadeKey `json:"key,omitempty"`
	// Added are the keys that signed in this run, Installed says that it is
	// root.json now, with Fingerprint.
	Added       []string `json:"added"`
	Installed   bool     `json:"installed"`
	Fingerprint string   `json:"fingerprint,omitempty"`
}

func describe(p *trust.Proposal, file string) *Proposed {
	out := &Proposed{
		File: file, Version: p.Version(), Changes: p.Changes(), Expires: p.Expires(),
		Signatures: p.Signatures(), Cautions: p.Cautions(), Added: []string{},
	}
	if before := p.Before(); !before.IsZero() {
		out.ExpiresBefore = &before
	}
	return out
}

// currentRoot is root.json, nil when the first root is still a proposal.
func currentRoot(opts KeyOptions) ([]byte, error) {
	data, err := readRoot(opts.Root)
	if errors.Is(err, fs.ErrNotExist) {
		if _, missing := os.Stat(opts.Proposal); missing == nil {
			return nil, nil
		}
	}
	return data, err
}

// readProposal reads what is proposed, fs.ErrNotExist when nothing is.
func readProposal(opts KeyOptions, current []byte) (*trust.Proposal, error) {
	data, err := readRoot(opts.Proposal)
	if err != nil {
		return nil, err
	}
	p, err := trust.ReadProposal(current, data)
	if err == nil || errors.Is(err, trust.ErrInPlace) {
		return p, err
	}
	err = fault.New(fault.Refused, "%s does not go with %s: it %w", opts.Proposal, opts.Root, err)
	return nil, fault.Hint(err, "get the newest root.json; a proposal that is of no use is given up by removing its file")
}

func pending(opts KeyOptions) (*Proposed, error) {
	current, err := currentRoot(opts)
	if err != nil {
		return nil, err
	}
	p, err := readProposal(opts, current)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, trust.ErrInPlace) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return describe(p, opts.Proposal), nil
}

// propose changes the proposal that is there, or begins one. Its signatures were
// for what it said before, so they go.
func propose(opts KeyOptions, change func(*trust.Proposal) error) (*Proposed, error) {
	opts.complete()
	current, err := currentRoot(opts)
	if err != nil {
		return nil, err
	}
	p, err := readProposal(opts, current)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, trust.ErrInPlace) {
		p, err = trust.Propose(current, opts.Now)
	}
	if err != nil {
		return nil, err
	}
	dropped := p.SignatureCount()
	if err := change(p); err != nil {
		return nil, err
	}
	p.SetExpires(opts.Now.Add(opts.Expiry.Root))
	data, err := p.Bytes()
	if err != nil {
		return nil, err
	}
	if err := replaceFile(opts.Proposal, data); err != nil {
		return nil, err
	}
	out := describe(p, opts.Proposal)
	out.Dropped = dropped
	return out, nil
}

// RenewRoot proposes the same root with a later end. A root that expired already
// is renewed in the same way: clients go on from it.
func RenewRoot(opts KeyOptions) (*Proposed, error) {
	return propose(opts, func(*trust.Proposal) error { return nil })
}

// AddKey proposes one more key for a role.
func AddKey(opts KeyOptions, role trust.Role, publicFile string) (*Proposed, error) {
	key, err := trust.ReadPublicKey(publicFile)
	if err != nil {
		return nil, err
	}
	return propose(opts, func(p *trust.Proposal) error { return p.Add(role, key) })
}

// RevokeKey proposes to take a key away from every role that has it. id may be
// the beginning of a key's identifier.
func RevokeKey(opts KeyOptions, id string) (*Proposed, error) {
	return propose(opts, func(p *trust.Proposal) error {
		var all []string
		for _, role := range trust.Roles {
			all = append(all, p.KeyIDs(role)...)
		}
		id, err := pickKey(all, id)
		if err != nil {
			return err
		}
		return p.Revoke(id)
	})
}

// SetThreshold proposes how many of a role's keys must sign.
func SetThreshold(opts KeyOptions, role trust.Role, n int) (*Proposed, error) {
	return propose(opts, func(p *trust.Proposal) error { return p.SetThreshold(role, n) })
}

// Rotation is another key in the place of one.
type Rotation struct {
	Role trust.Role
	// Replace is the key that goes, or the beginning of its identifier. A role of
	// one key needs none.
	Replace string
	// Public is the public half of a key that was made elsewhere. Without it one is
	// made here, with the passphrase that NewPassphrase gives for its file.
	Public        string
	NewPassphrase trust.Passphrase
}

// RotateKey proposes another key for a role.
func RotateKey(opts KeyOptions, r Rotation) (*Proposed, error) {
	var made *MadeKey
	out, err := propose(opts, func(p *trust.Proposal) error {
		old, err := pickReplaced(p.KeyIDs(r.Role), r)
		if err != nil {
			return err
		}
		if r.Public == "" {
			if made, err = makeFor(opts, r); err != nil {
				return err
			}
			r.Public = made.Public
		}
		key, err := trust.ReadPublicKey(r.Public)
		if err != nil {
			return err
		}
		return p.Replace(r.Role, old, key)
	})
	if err != nil && made != nil {
		return nil, errors.Join(err, os.Remove(made.File), os.Remove(made.Public))
	}
	if err != nil {
		return nil, err
	}
	out.Key = made
	return out, nil
}

func makeFor(opts KeyOptions, r Rotation) (*MadeKey, error) {
	var passphrase []byte
	if r.NewPassphrase != nil {
		var err error
		if passphrase, err = r.NewPassphrase("the new key of " + string(r.Role)); err != nil {
			return nil, err
		}
	}
	return NewKey(NewKeyOptions{Dir: opts.Keys, Role: r.Role, Passphrase: passphrase})
}

func pickReplaced(ids []string, r Rotation) (string, error) {
	if r.Replace != "" {
		return pickKey(ids, r.Replace)
	}
	if len(ids) == 1 {
		return ids[0], nil
	}
	err := fault.New(fault.Usage, "%s has %d keys: which one goes is not said", r.Role, len(ids))
	return "", fault.Hint(err, "name it with --replace; galley catalogue keys list shows them")
}

// pickKey finds the one key whose identifier begins with text.
func pickKey(ids []string, text string) (string, error) {
	const least = 8
	slices.Sort(ids)
	var found []string
	for _, id := range slices.Compact(ids) {
		if strings.HasPrefix(id, strings.ToLower(text)) {
			found = append(found, id)
		}
	}
	if len(text) >= least && len(found) == 1 {
		return found[0], nil
	}
	err := fault.New(fault.Usage, "%q names %d of the root's keys, expected one", text, len(found))
	if len(text) < least {
		err = fault.New(fault.Usage, "%q is too short for a key's name, expected %d digits or more", text, least)
	}
	return "", fault.Hint(err, "galley catalogue keys list shows them")
}

// install puts a proposal that is whole into place: the root before it is kept
// beside as N.root.json, and root.json changes by a rename.
func install(opts KeyOptions, p *trust.Proposal, current []byte) (fingerprint string, err error) {
	data, err := p.Bytes()
	if err != nil {
		return "", err
	}
	if current != nil {
		if err := replaceFile(olderRoot(opts.Root, p.Version()-1), current); err != nil {
			return "", err
		}
	}
	if err := replaceFile(opts.Root, data); err != nil {
		return "", err
	}
	return trust.Fingerprint(data), removeProposals(opts, p, current)
}

// removeProposals removes the proposal that is in place now, and the copy of it,
// signed by fewer, that waited beside the root for the others. A file that has
// another name, such as the root.json of the last one who signed, stays.
func removeProposals(opts KeyOptions, p *trust.Proposal, current []byte) error {
	waiting := opts
	waiting.Proposal = filepath.Join(filepath.Dir(opts.Root), ProposalName)
	if copied, err := readProposal(waiting, current); err == nil && copied.Same(p) {
		if err := os.Remove(waiting.Proposal); err != nil {
			return err
		}
	}
	return removeProposal(opts)
}

func removeProposal(opts KeyOptions) error {
	if filepath.Base(opts.Proposal) != ProposalName {
		return nil
	}
	if err := os.Remove(opts.Proposal); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// ShowProposal reads what is proposed, for showing before it is signed. A run
// that was killed after it put the proposal into place is finished here.
func ShowProposal(opts KeyOptions) (*Proposed, error) {
	opts.complete()
	current, err := currentRoot(opts)
	if err != nil {
		return nil, err
	}
	p, err := readProposal(opts, current)
	if errors.Is(err, trust.ErrInPlace) {
		return &Proposed{
			File: opts.Proposal, Installed: true, Fingerprint: trust.Fingerprint(current),
			Changes: []trust.RoleChange{}, Signatures: []trust.Signatures{}, Cautions: []string{}, Added: []string{},
		}, removeProposal(opts)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err := fault.New(fault.Unavailable, "nothing is proposed: there is no %s", opts.Proposal)
		return nil, fault.Hint(err, "galley catalogue keys rotate, revoke, add, threshold and renew propose a root")
	}
	if err != nil {
		return nil, err
	}
	return describe(p, opts.Proposal), nil
}

// SignProposal adds the signatures of the root keys that are in the folder, and
// puts the proposal into place once it is whole. Without a key that may sign, a
// proposal that others made whole is put into place all the same.
func SignProposal(opts KeyOptions) (*Proposed, error) {
	shown, err := ShowProposal(opts)
	if err != nil || shown.Installed {
		return shown, err
	}
	opts.complete()
	current, err := currentRoot(opts)
	if err != nil {
		return nil, err
	}
	p, err := readProposal(opts, current)
	if err != nil {
		return nil, err
	}
	added, err := signWith(opts, p)
	if err != nil {
		return nil, err
	}
	out := describe(p, opts.Proposal)
	out.Added = added
	if p.Whole() {
		out.Installed = true
		out.Fingerprint, err = install(opts, p, current)
		return out, err
	}
	if len(added) == 0 {
		err := fault.New(fault.Unavailable, "no root key in %q can sign %s that has not signed it", opts.Keys, opts.Proposal)
		return nil, fault.Hint(err, "still to sign: %s", missing(p))
	}
	data, err := p.Bytes()
	if err != nil {
		return nil, err
	}
	return out, replaceFile(opts.Proposal, data)
}

func signWith(opts KeyOptions, p *trust.Proposal) (added []string, err error) {
	added = []string{}
	ring, err := trust.OpenKeyring(opts.Keys)
	if err != nil {
		return nil, err
	}
	for _, locked := range ring.Keys {
		if !p.MaySign(locked.ID()) || p.HasSigned(locked.ID()) {
			continue
		}
		key, err := locked.Unlock(opts.Passphrase)
		if err != nil {
			return nil, err
		}
		if err := p.Sign(key); err != nil {
			return nil, err
		}
		added = append(added, key.ID())
	}
	return added, nil
}

// missing says whose signatures a proposal lacks.
func missing(p *trust.Proposal) string {
	var parts []string
	for _, s := range p.Signatures() {
		if !s.Enough() {
			parts = append(parts, fmt.Sprintf("%d more of root %d's keys", s.Needed-len(s.Signed), s.Root))
		}
	}
	return strings.Join(parts, " and ")
}
