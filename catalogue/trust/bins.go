package trust

import (
	"fmt"
	"math"
	"regexp"
	"slices"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// The targets live in succinct hash bins (TAP 15): targets.json delegates to
// 2^bits roles, and the first bits of a path's SHA-256 say which one signs it.
// One changed target signs one bin anew, and a reader fetches the bins that it
// needs.
const (
	binPrefix = "bin"
	minBits   = 1
	maxBits   = 12 // a snapshot of 4096 bins is 140 KB
	// sticky is by how many bits the number of bins may be off: each change of it
	// signs all of them anew.
	sticky = 2
)

var binName = regexp.MustCompile(`^` + binPrefix + `-[0-9a-f]{1,3}$`)

// IsBin tells the roles that targets.json delegates to: "bin-3f".
func (r Role) IsBin() bool { return binName.MatchString(string(r)) }

// bitsFor is the bit length whose number of bins is nearest to five times the
// root of the number of targets: there a snapshot and a bin together are small.
func bitsFor(targets int) int {
	bits := math.Round(math.Log2(5 * math.Sqrt(float64(max(targets, 1)))))
	return min(max(int(bits), minBits), maxBits)
}

// nextBits keeps the present bit length, 0 for none yet, until it is off by more
// than sticky. It never falls: a snapshot must go on naming what the last one
// named (TUF 1.0.31, 5.5.5), so fewer bins would only be larger ones.
func nextBits(present, targets int) int {
	if wanted := bitsFor(targets); present < minBits || wanted > present+sticky {
		return wanted
	}
	return present
}

// checkDelegations wants targets metadata to be of one of two forms: targets and
// no delegation, as galley wrote it before there were bins, or no targets and one
// succinct delegation. Everything else would lead a reader where galley's
// publisher never signs.
func checkDelegations(t *metadata.TargetsType) error {
	switch d := t.Delegations; {
	case d == nil:
		return nil
	case len(t.Targets) > 0:
		return fmt.Errorf("has both targets and a delegation")
	case d.Roles != nil || d.SuccinctRoles == nil:
		return fmt.Errorf("delegates to roles other than hash bins")
	case d.SuccinctRoles.NamePrefix != binPrefix:
		return fmt.Errorf("delegates to hash bins named %.20q, expected %q", d.SuccinctRoles.NamePrefix, binPrefix)
	case d.SuccinctRoles.BitLength < minBits || d.SuccinctRoles.BitLength > maxBits:
		return fmt.Errorf("delegates to 2^%d hash bins, expected 2^%d to 2^%d", d.SuccinctRoles.BitLength, minBits, maxBits)
	}
	return nil
}

// checkBin wants a bin to have targets and to delegate to nobody.
func checkBin(t *metadata.TargetsType) error {
	if t.Delegations != nil {
		return fmt.Errorf("delegates further, which a hash bin may not")
	}
	return nil
}

// succinct is the delegation to bins, nil when there is none.
func (d *Document) succinct() *metadata.SuccinctRoles {
	m, ok := d.signed.(*metadata.Metadata[metadata.TargetsType])
	if !ok || d.Role != Targets || m.Signed.Delegations == nil {
		return nil
	}
	return m.Signed.Delegations.SuccinctRoles
}

// Bins are the roles that targets metadata delegates to, none when it has the
// targets itself.
func (d *Document) Bins() []Role {
	s := d.succinct()
	if s == nil {
		return nil
	}
	var roles []Role
	for _, name := range s.GetRoles() {
		roles = append(roles, Role(name))
	}
	return roles
}

// binOf is the one bin that a target may stand in.
func binOf(s *metadata.SuccinctRoles, target string) Role {
	return Role(s.GetRolesForTarget(target)[0].Name)
}

// CheckBin reads the metadata of a bin that this targets metadata delegates to:
// signed with its keys, and holding nothing but targets of that bin.
func (d *Document) CheckBin(bin Role, data []byte) (doc *Document, err error) {
	defer catch(&err)
	doc, err = d.parseBin(bin, data)
	if err != nil {
		return nil, err
	}
	from := d.signed.(*metadata.Metadata[metadata.TargetsType])
	if err := from.VerifyDelegate(string(bin), doc.signed); err != nil {
		return nil, notSigned(d, bin)
	}
	if len(doc.signatures) == d.succinct().Threshold {
		return doc, nil // all of them were needed, so all are right
	}
	for _, s := range doc.signatures {
		if !oneDelegated(from, doc, s.KeyID) {
			return nil, errWrongSignature
		}
	}
	return doc, nil
}

// parseBin is CheckBin but for the signatures.
func (d *Document) parseBin(bin Role, data []byte) (*Document, error) {
	s := d.succinct()
	if s == nil || !s.IsDelegatedRole(string(bin)) {
		return nil, fmt.Errorf("is of no role that %s delegates to", Name(Targets, d.Version))
	}
	doc, err := Parse(bin, data)
	if err != nil {
		return nil, err
	}
	for name := range doc.Files {
		if right := binOf(s, name); right != bin {
			return nil, fmt.Errorf("holds %.200q, which belongs in %s", name, right)
		}
	}
	return doc, nil
}

func notSigned(targets *Document, bin Role) error {
	return fmt.Errorf("is not signed by the keys that %s names for %s", Name(Targets, targets.Version), bin)
}

// oneDelegated is oneSigned for a bin.
func oneDelegated(from *metadata.Metadata[metadata.TargetsType], doc *Document, keyID string) bool {
	delegations := *from.Signed.Delegations
	succinct := *delegations.SuccinctRoles
	if !slices.Contains(succinct.KeyIDs, keyID) {
		return false
	}
	succinct.KeyIDs, succinct.Threshold = []string{keyID}, 1
	delegations.SuccinctRoles = &succinct
	alone := *from
	alone.Signed.Delegations = &delegations
	return alone.VerifyDelegate(string(doc.Role), doc.signed) == nil
}
