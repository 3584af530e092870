package trust

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/internal/fault"
)

// published is what a published directory holds, verified.
type published struct {
	chain     *Chain
	documents map[Role]*Document // the current ones, bins too, none before the first timestamp
	files     map[Role]File
	current   map[Role]bool   // signed by the newest root
	targets   map[string]File // of all bins
	highest   map[Role]int64  // versions that are taken
	snapshots []int64         // whose files stand, ascending
}

// maxVersion is the highest version that is followed by another: numbers in JSON
// are exact up to it. Who signs a higher one means to block the role.
const maxVersion = 1<<53 - 2

// maxListed bounds the files of a published directory.
const maxListed = 5_000_000

func readPublished(opts PublishOptions) (*published, error) {
	p := &published{
		documents: map[Role]*Document{}, files: map[Role]File{}, current: map[Role]bool{},
		targets: map[string]File{}, highest: map[Role]int64{},
	}
	if err := p.list(opts.Public); err != nil {
		return nil, err
	}
	var err error
	if p.chain, err = publishedChain(opts); err != nil {
		return nil, err
	}
	if err := p.read(opts.Public, Timestamp, 0); errors.Is(err, fs.ErrNotExist) {
		return p, nil
	} else if err != nil {
		return nil, err
	}
	for _, step := range []struct{ from, to Role }{{Timestamp, Snapshot}, {Snapshot, Targets}} {
		said, ok := p.documents[step.from].Files[string(step.to)+".json"]
		if !ok {
			return nil, broken(opts.Public, p.name(step.from), fmt.Errorf("does not name %s.json", step.to))
		}
		if err := p.read(opts.Public, step.to, said.Version); err != nil {
			return nil, err
		}
		if p.files[step.to] != said {
			return nil, broken(opts.Public, p.name(step.to), fmt.Errorf("is not the file that %s names", p.name(step.from)))
		}
	}
	return p, p.readBins(opts.Public)
}

// readBins reads what targets.json delegates to, or takes its own targets when
// it was written before there were bins.
func (p *published) readBins(public *disk.Dir) error {
	snapshot, targets := p.documents[Snapshot], p.documents[Targets]
	for name, f := range snapshot.Files {
		p.taken(roleOf(name), f.Version)
	}
	maps.Copy(p.targets, targets.Files)
	for _, bin := range targets.Bins() {
		said, ok := snapshot.Files[string(bin)+".json"]
		if !ok {
			return broken(public, p.name(Snapshot), fmt.Errorf("does not name %s.json", bin))
		}
		name := Name(bin, said.Version)
		data, err := public.Read(name, MaxLength(bin))
		if err != nil {
			return broken(public, name, err)
		}
		doc, err := targets.CheckBin(bin, data)
		if err == nil && doc.Version != said.Version {
			err = fmt.Errorf("says that it is version %d", doc.Version)
		}
		if err != nil {
			return broken(public, name, err)
		}
		p.documents[bin], p.files[bin] = doc, File{Version: doc.Version}
		maps.Copy(p.targets, doc.Files)
	}
	return nil
}

// anyBin stands for all bins: they draw their numbers from one row.
const anyBin Role = "bin"

func numbered(role Role) Role {
	if role.IsBin() {
		return anyBin
	}
	return role
}

// roleOf is the role of a name in a snapshot.
func roleOf(name string) Role { return Role(strings.TrimSuffix(name, ".json")) }

// taken notes a version that is not to be used again.
func (p *published) taken(role Role, version int64) {
	p.highest[numbered(role)] = max(p.highest[numbered(role)], version)
}

// next is the version after all that were ever written: one that a killed run
// left was never announced, but who knows who read it.
func (p *published) next(role Role) int64 {
	p.highest[numbered(role)]++
	return p.highest[numbered(role)]
}

func (p *published) name(role Role) string { return Name(role, p.documents[role].Version) }

func (p *published) read(public *disk.Dir, role Role, version int64) error {
	name := Name(role, version)
	data, err := public.Read(name, MaxLength(role))
	if errors.Is(err, fs.ErrNotExist) && role == Timestamp {
		return err
	}
	if err != nil {
		return broken(public, name, err)
	}
	doc, current, err := p.chain.Check(role, data)
	if err != nil {
		return broken(public, name, err)
	}
	if doc.Version > maxVersion {
		return broken(public, name, fmt.Errorf("has version %d, which leaves none for the next one", doc.Version))
	}
	if role != Timestamp && doc.Version != version {
		return broken(public, name, fmt.Errorf("says that it is version %d", doc.Version))
	}
	p.documents[role], p.current[role] = doc, current
	p.files[role] = File{Version: doc.Version, Length: int64(len(data)), SHA256: Fingerprint(data)}
	p.taken(role, doc.Version)
	return nil
}

// publishedChain is the roots that stand in the published directory, with the
// given root at the end.
func publishedChain(opts PublishOptions) (*Chain, error) {
	given, err := Parse(Root, opts.Root)
	if err != nil {
		return nil, fault.New(fault.Refused, "signing: %s %w", opts.RootName, err)
	}
	first, err := opts.Public.Read(Name(Root, 1), MaxLength(Root))
	if errors.Is(err, fs.ErrNotExist) {
		return firstChain(opts, given)
	}
	if err != nil {
		return nil, broken(opts.Public, Name(Root, 1), err)
	}
	chain, err := NewChain(first)
	if err != nil {
		return nil, broken(opts.Public, Name(Root, 1), err)
	}
	for version := int64(2); version <= MaxRoots; version++ {
		next, err := opts.Public.Read(Name(Root, version), MaxLength(Root))
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err == nil {
			err = chain.Add(next)
		}
		if err != nil {
			return nil, broken(opts.Public, Name(Root, version), err)
		}
	}
	if err := follow(chain, opts); err != nil {
		err = fault.New(fault.Refused, "signing: %s (version %d) does not go with what is published in %q: %w",
			opts.RootName, given.Version, opts.Public.Name(), err)
		return nil, fault.Hint(err, "give the newest root, or publish another catalogue into an empty folder")
	}
	return chain, nil
}

func firstChain(opts PublishOptions, given *Document) (*Chain, error) {
	if _, err := opts.Public.Read(TimestampName, maxTimestamp); err == nil {
		return nil, broken(opts.Public, Name(Root, 1), errors.New("is missing"))
	}
	first := opts.Root
	if len(opts.Earlier) > 0 && given.Version != 1 {
		first = opts.Earlier[0]
	}
	if doc, err := Parse(Root, first); err != nil || doc.Version != 1 {
		err := fault.New(fault.Refused, "signing: %s has version %d, and %q has no root yet", opts.RootName, given.Version, opts.Public.Name())
		return nil, fault.Hint(err, "copy the catalogue that is published to %q first", opts.Public.Name())
	}
	chain, err := NewChain(first)
	if err == nil {
		err = follow(chain, opts)
	}
	if err != nil {
		return nil, fault.New(fault.Refused, "signing: %s %w", opts.RootName, err)
	}
	return chain, nil
}

func broken(public *disk.Dir, name string, err error) error {
	err = fault.New(fault.Refused, "what is published in %q does not verify: %s %w", public.Name(), name, err)
	return fault.Hint(err, "restore the folder from a copy that verifies, or publish into an empty one")
}

var versioned = regexp.MustCompile(`^` + Folder + `/([1-9][0-9]{0,17})\.(root|targets|snapshot|` + binPrefix + `-[0-9a-f]{1,3})\.json$`)

// ParseName reads the name of a metadata file; a timestamp has version 0. ok is
// false for any other file, the copy of the root among them.
func ParseName(name string) (role Role, version int64, ok bool) {
	if name == TimestampName {
		return Timestamp, 0, true
	}
	parts := versioned.FindStringSubmatch(name)
	if parts == nil {
		return "", 0, false
	}
	version, err := strconv.ParseInt(parts[1], 10, 64)
	return Role(parts[2]), version, err == nil
}

// list notes which metadata files stand.
func (p *published) list(public *disk.Dir) error {
	files, err := public.List(maxListed)
	if err != nil {
		return err
	}
	for _, f := range files {
		role, version, ok := ParseName(f.Name)
		if ok {
			p.taken(role, version)
		}
		if ok && role == Snapshot {
			p.snapshots = append(p.snapshots, version)
		}
	}
	slices.Sort(p.snapshots)
	return nil
}
