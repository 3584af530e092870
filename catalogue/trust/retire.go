package trust

import (
	"cmp"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"time"

	"github.com/galley-coop/galley/catalogue/disk"
)

// Retirement tells which files of a published directory readers are done with.
type Retirement struct {
	// Remove are the hashed copies of targets, then the metadata that led to them:
	// a publisher that is killed while it removes them in this order can be told
	// the rest again.
	Remove []string
	// Kept are the targets that a reader may still ask for, by the hashed names of
	// their copies.
	Kept map[string]File
}

// Superseded finds what no snapshot leads to that is current, or that ceased to
// be less than grace before now. A snapshot ceases with the next one, when that
// one's file was written. When in doubt a file stays: roots do; what a killed run
// left does, until the next publication; and everything does, with an error, when
// metadata that must stay cannot be read.
//
// Nobody else may publish into the directory meanwhile.
func Superseded(public *disk.Dir, now time.Time, grace time.Duration) (*Retirement, error) {
	files, err := public.List(maxListed)
	if err != nil {
		return nil, err
	}
	r := &retirement{public: public, now: now, grace: grace, metadata: map[string]bool{}, copies: map[string]File{}, listed: map[string]bool{}}
	for _, f := range files {
		r.list(f)
	}
	if !r.listed[TimestampName] { // nothing was announced yet
		return &Retirement{Kept: r.copies}, nil
	}
	slices.Sort(r.snapshots)
	if err := r.keep(); err != nil {
		return nil, err
	}
	return &Retirement{Remove: r.remove(), Kept: r.copies}, nil
}

// retirement is one look for what may go. Documents are parsed and not verified:
// who could forge them here could as well remove the files.
type retirement struct {
	public    *disk.Dir
	now       time.Time
	grace     time.Duration
	snapshots []int64         // ascending
	candidate []string        // metadata files but roots and the timestamp
	listed    map[string]bool // all files
	metadata  map[string]bool // metadata that stays
	copies    map[string]File // copies that stay
	highest   map[Role]int64  // versions that are announced
}

func (r *retirement) list(f disk.File) {
	r.listed[f.Name] = true
	role, version, ok := ParseName(f.Name)
	if !ok || role == Root || role == Timestamp {
		return
	}
	r.candidate = append(r.candidate, f.Name)
	if role == Snapshot {
		r.snapshots = append(r.snapshots, version)
	}
}

// keep marks what the timestamp leads to and what was current not long ago.
func (r *retirement) keep() error {
	timestamp, err := r.read(Timestamp, 0)
	if err != nil {
		return err
	}
	current := timestamp.Files["snapshot.json"].Version
	snapshot, err := r.read(Snapshot, current)
	if err != nil {
		return err
	}
	r.highest = announced(snapshot)
	for i, version := range r.snapshots {
		if version < current && !r.stays(r.snapshots[i+1]) {
			continue
		}
		if err := r.keepSnapshot(version); err != nil {
			return err
		}
	}
	return nil
}

// stays tells whether the snapshot before the next one is not over for long
// enough. Removing leftovers before the timestamp is written makes the next file
// one that was announced; a clock that is behind keeps.
func (r *retirement) stays(next int64) bool {
	written, err := r.public.ModTime(Name(Snapshot, next))
	return err != nil || r.now.Sub(written) < r.grace
}

func (r *retirement) keepSnapshot(version int64) error {
	return r.lead(version, func(name string, doc *Document) {
		r.metadata[name] = true
		for target, f := range targetsIn(doc) {
			r.copies[HashedName(target, f.SHA256)] = f
		}
	})
}

// lead walks what a snapshot leads to, as far as it is there.
func (r *retirement) lead(version int64, visit func(name string, doc *Document)) error {
	snapshot, err := r.read(Snapshot, version)
	if err != nil {
		return err
	}
	visit(Name(Snapshot, version), snapshot)
	targets, err := r.read(Targets, snapshot.Files["targets.json"].Version)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	visit(Name(Targets, targets.Version), targets)
	for _, bin := range targets.Bins() {
		version := snapshot.Files[string(bin)+".json"].Version
		if r.metadata[Name(bin, version)] {
			continue
		}
		doc, err := r.read(bin, version)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		visit(Name(bin, version), doc)
	}
	return nil
}

func (r *retirement) read(role Role, version int64) (*Document, error) {
	name := Name(role, version)
	data, err := r.public.Read(name, MaxLength(role))
	if err != nil {
		return nil, broken(r.public, name, err)
	}
	doc, err := Parse(role, data)
	if err != nil {
		return nil, broken(r.public, name, err)
	}
	return doc, nil
}

// remove lists what was announced and is not kept. Of metadata that cannot be
// read the copies are not known, and stay.
func (r *retirement) remove() []string {
	copies, metadata := map[string]bool{}, []string{}
	for _, name := range r.candidate {
		role, version, _ := ParseName(name)
		if r.metadata[name] || version >= r.highest[numbered(role)] {
			continue
		}
		metadata = append(metadata, name)
		doc, err := r.read(role, version)
		if err != nil {
			continue
		}
		for target, f := range targetsIn(doc) {
			hashed := HashedName(target, f.SHA256)
			if _, kept := r.copies[hashed]; !kept && r.listed[hashed] {
				copies[hashed] = true
			}
		}
	}
	slices.SortStableFunc(metadata, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
	return append(slices.Sorted(maps.Keys(copies)), metadata...)
}

// rank puts what leads to others behind them.
func rank(name string) int {
	switch role, _, _ := ParseName(name); role {
	case Snapshot:
		return 2
	case Targets:
		return 1
	}
	return 0
}

// targetsIn are the targets that a document names, none for a snapshot.
func targetsIn(doc *Document) map[string]File {
	if kindOf(doc.Role) == Targets {
		return doc.Files
	}
	return nil
}

// announced are the highest versions that a current snapshot leads to. What is
// above was not announced.
func announced(snapshot *Document) map[Role]int64 {
	highest := map[Role]int64{Snapshot: snapshot.Version}
	for name, f := range snapshot.Files {
		role := numbered(roleOf(name))
		highest[role] = max(highest[role], f.Version)
	}
	return highest
}
