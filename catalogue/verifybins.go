package catalogue

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/galley-coop/galley/catalogue/trust"
)

// checkBins reads the hash bins that the current targets metadata delegates to,
// each of which the snapshot must name.
func (v *verifier) checkBins(snapshot, targets *trust.Document) {
	v.metadata.targets, v.metadata.whole = map[string]trust.File{}, true
	v.merge(trust.Name(trust.Targets, targets.Version), targets)
	for _, bin := range targets.Bins() {
		said, ok := snapshot.Files[string(bin)+".json"]
		if !ok {
			v.problem(trust.Name(trust.Snapshot, snapshot.Version), fmt.Errorf("does not name %s.json", bin))
			v.metadata.whole = false
			continue
		}
		v.metadata.highestBin = max(v.metadata.highestBin, said.Version)
		name := trust.Name(bin, said.Version)
		doc := v.currentBin(bin, said.Version, targets)
		if doc == nil {
			v.metadata.whole = false
			continue
		}
		v.expiry(name, doc.Expires)
		v.merge(name, doc)
	}
}

func (v *verifier) currentBin(bin trust.Role, version int64, targets *trust.Document) *trust.Document {
	name := trust.Name(bin, version)
	data, ok := v.read(name, trust.MaxLength(bin), true)
	if !ok {
		return nil
	}
	doc, err := targets.CheckBin(bin, data)
	if err == nil && doc.Version != version {
		err = fmt.Errorf("says that it is version %d", doc.Version)
	}
	if err != nil {
		v.problem(name, err)
		return nil
	}
	return doc
}

// merge adds the targets of a metadata file to the current ones.
func (v *verifier) merge(name string, doc *trust.Document) {
	for target := range doc.Files {
		if !isTarget(target) {
			v.problem(name, fmt.Errorf("names %q, which is no file of a catalogue", cleanLine(target, maxName)))
			delete(doc.Files, target)
		}
	}
	maps.Copy(v.metadata.targets, doc.Files)
}

// maxMissing is how many numbers in a row may have no file before a web address
// is asked for no older ones: killed runs leave gaps, and what is retired is gone.
const maxMissing = 20

// checkOlder looks at the metadata that is not current: what came before, and
// what a killed Sign left without announcing it. It may be gone.
func (v *verifier) checkOlder() {
	if v.listed == nil {
		v.olderByNumber()
		return
	}
	bins := map[string]trust.Role{}
	for _, f := range v.listed {
		role, version, ok := trust.ParseName(f.Name)
		switch {
		case !ok || v.accounted[f.Name]:
		case role == trust.Root:
			v.problem(f.Name, errors.New("is not part of the chain of roots"))
			v.accounted[f.Name] = true
		case role.IsBin():
			bins[f.Name] = role
		default:
			v.olderFile(role, version)
		}
	}
	for _, f := range v.listed { // after all that may vouch for them
		if bin, ok := bins[f.Name]; ok {
			v.olderBin(bin, f.Name)
		}
	}
}

// olderByNumber asks a web address for what may have been current before.
func (v *verifier) olderByNumber() {
	var snapshots []*trust.Document
	for _, role := range []trust.Role{trust.Targets, trust.Snapshot} {
		missing := 0
		for version := v.metadata.current[role] - 1; version >= 1 && missing < maxMissing && v.stop == nil; version-- {
			doc, found := v.olderFile(role, version)
			if missing++; found {
				missing = 0
			}
			if doc != nil && role == trust.Snapshot {
				snapshots = append(snapshots, doc)
			}
		}
	}
	for _, snapshot := range snapshots {
		for file, f := range snapshot.Files {
			bin := trust.Role(strings.TrimSuffix(file, ".json"))
			if name := trust.Name(bin, f.Version); bin.IsBin() && !v.accounted[name] {
				v.olderBin(bin, name)
			}
		}
	}
}

func (v *verifier) olderFile(role trust.Role, version int64) (doc *trust.Document, found bool) {
	name := trust.Name(role, version)
	data, ok := v.read(name, trust.MaxLength(role), false)
	if !ok {
		return nil, false
	}
	if v.isLeftover(role, version, data) {
		v.out.Leftovers = append(v.out.Leftovers, name)
		return nil, true
	}
	doc = v.check(role, name, data, false)
	switch {
	case doc == nil:
	case doc.Version != version:
		v.problem(name, fmt.Errorf("says that it is version %d", doc.Version))
		return nil, true
	case role == trust.Targets:
		v.metadata.older = append(v.metadata.older, doc.Files)
	}
	return doc, true
}

// olderBin wants one of the targets metadata that stand to vouch for the bin.
func (v *verifier) olderBin(bin trust.Role, name string) {
	data, ok := v.read(name, trust.MaxLength(bin), false)
	if !ok {
		return
	}
	_, version, _ := trust.ParseName(name)
	if v.isLeftover(bin, version, data) {
		v.out.Leftovers = append(v.out.Leftovers, name)
		return
	}
	doc, err := v.vouchedFor(bin, data)
	if err == nil && doc.Version != version {
		err = fmt.Errorf("says that it is version %d", doc.Version)
	}
	if err != nil {
		v.problem(name, err)
		return
	}
	v.metadata.older = append(v.metadata.older, doc.Files)
}

// isLeftover tells metadata under a number that was not announced yet, and that
// no root which stands vouches for: that of a Sign under a new root, which was
// killed before it published that.
func (v *verifier) isLeftover(role trust.Role, version int64, data []byte) bool {
	announced := v.metadata.current[role]
	if role.IsBin() {
		announced = v.metadata.highestBin
	}
	doc, err := trust.Parse(role, data)
	if !v.metadata.whole || version <= announced || err != nil || doc.Version != version {
		return false
	}
	if role.IsBin() {
		_, err = v.vouchedFor(role, data)
	} else {
		_, _, err = v.metadata.chain.Check(role, data)
	}
	return err != nil
}

// vouchedFor falls back to the mere form when targets metadata is broken, which
// is named already: that may be what the bin belongs to.
func (v *verifier) vouchedFor(bin trust.Role, data []byte) (*trust.Document, error) {
	doc, err := trust.Parse(bin, data)
	if err != nil {
		return nil, err
	}
	first := error(nil)
	for _, by := range v.metadata.delegators {
		checked, err := by.CheckBin(bin, data)
		if err == nil {
			return checked, nil
		}
		if first == nil {
			first = err
		}
	}
	if first == nil || v.brokenDelegator() {
		return doc, nil
	}
	return nil, first
}

func (v *verifier) brokenDelegator() bool {
	for _, p := range v.out.Problems {
		if role, _, ok := trust.ParseName(p.File); ok && (role == trust.Targets || role == trust.Root) {
			return true
		}
	}
	return false
}
