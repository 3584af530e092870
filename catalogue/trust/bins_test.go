package trust

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/galley-coop/galley/internal/fault"
)

func TestNumberOfBins(t *testing.T) {
	tests := []struct{ present, targets, want int }{
		{0, 0, 2}, {0, 1, 2}, {0, 3, 3}, {0, 100, 6}, {0, 10_002, 9}, {0, 10_000_000, 12},
		{3, 3, 3}, {3, 80, 3}, {3, 90, 6}, // off by two bits, by three
		{9, 3, 9}, // never fewer
	}
	for _, tt := range tests {
		if got := nextBits(tt.present, tt.targets); got != tt.want {
			t.Errorf("%d targets in 2^%d bins: 2^%d next, expected 2^%d", tt.targets, tt.present, got, tt.want)
		}
	}
}

func TestBinNames(t *testing.T) {
	for name, want := range map[string]bool{
		"bin-0": true, "bin-3f": true, "bin-fff": true, "bin-": false, "bin-0000": false,
		"bin-F": false, "targets": false, "../bin-0": false, "bin-0/x": false,
	} {
		if got := Role(name).IsBin(); got != want {
			t.Errorf("%q is a bin: %v, expected %v", name, got, want)
		}
	}
	role, version, ok := ParseName("metadata/12.bin-3f.json")
	if role != "bin-3f" || version != 12 || !ok || Name(role, version) != "metadata/12.bin-3f.json" {
		t.Errorf("the name parses as %q, %d, %v", role, version, ok)
	}
	if MaxLength("bin-3f") != maxBin {
		t.Errorf("a bin may have %d bytes", MaxLength("bin-3f"))
	}
}

// numbers are those of the bins that the current snapshot names.
func (h *house) numbers() map[string]int64 {
	numbers := map[string]int64{}
	for name, meta := range h.repo().snapshot.Signed.Meta {
		if roleOf(name).IsBin() {
			numbers[name] = meta.Version
		}
	}
	return numbers
}

func changed(before, after map[string]int64) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if before[name] != after[name] {
			names = append(names, name)
		}
	}
	return names
}

func TestOneChangeSignsOneBin(t *testing.T) {
	h := newHouse(t)
	contents := recipes(40)
	if p := h.publish(contents); p.Bins != 32 || p.SignedBins != 32 {
		t.Errorf("%d bins, %d signed, expected 32 of both", p.Bins, p.SignedBins)
	}
	before := h.numbers()
	h.opts.Now = start.Add(time.Hour)
	if p := h.publish(contents); p.SignedBins != 0 || !slices.Equal(p.Signed, []Role{Timestamp}) {
		t.Errorf("without a change %d bins and %v were signed", p.SignedBins, p.Signed)
	}
	contents[victim] = "changed"
	p := h.publish(contents)
	if p.Bins != 32 || p.SignedBins != 1 || !slices.Equal(p.Signed, []Role{Snapshot, Timestamp}) {
		t.Errorf("with one change %d of %d bins and %v were signed", p.SignedBins, p.Bins, p.Signed)
	}
	role, _ := h.repo().bin(victim)
	if diff := cmp.Diff([]string{string(role) + ".json"}, changed(before, h.numbers())); diff != "" {
		t.Error(diff)
	}
	delete(contents, victim)
	if p := h.publish(contents); p.SignedBins != 1 {
		t.Errorf("with one file gone %d bins were signed", p.SignedBins)
	}
}

func TestBinsAreSignedAnewInTime(t *testing.T) {
	h := newHouse(t)
	contents := recipes(12)
	h.publish(contents)
	h.opts.Now = start.Add(30 * day)
	contents[victim] = "changed"
	h.publish(contents)
	h.opts.Now = start.Add(46 * day) // past half of 90 days, but for that one bin
	if p := h.publish(contents); p.SignedBins != p.Bins-1 || p.Versions[Targets] != 2 {
		t.Errorf("%d of %d bins were signed", p.SignedBins, p.Bins)
	}
}

// TestNoNumberTwice is what lets a snapshot name bins by number alone, and a
// reader of one number of bins read the next.
func TestNoNumberTwice(t *testing.T) {
	h := newHouse(t)
	r := h.reader(folder{h.public})
	last, seen := map[string]int64{}, map[int64]string{}
	for _, n := range []int{1, 40, 41, 3, 1400} {
		if n == 41 {
			h.kill(h.prepare(recipes(n)))
		}
		h.publishMany(n)
		for name, version := range h.numbers() {
			if version < last[name] {
				t.Errorf("%d recipes: %s went back from %d to %d", n, name, last[name], version)
			}
			if other, ok := seen[version]; ok && other != name {
				t.Errorf("%d recipes: %s and %s both have number %d", n, name, other, version)
			}
			last[name], seen[version] = version, name
		}
		if err := r.read(t.Context(), recipes(min(n, 3))); err != nil {
			t.Fatalf("%d recipes: %v", n, err)
		}
	}
	if len(last) != 4+256 { // the 32 between are named like some of the 256
		t.Errorf("%d bins are named: a name that was named once must stay", len(last))
	}
}

// publishMany writes the first three files only.
func (h *house) publishMany(n int) {
	h.Helper()
	targets := map[string]File{}
	for name, content := range recipes(n) {
		targets[name] = File{Length: int64(len(content)), SHA256: Fingerprint([]byte(content))}
	}
	for name, content := range recipes(min(n, 3)) {
		h.must(h.public.Write(HashedName(name, Fingerprint([]byte(content))), []byte(content)))
	}
	p, err := Prepare(h.opts, targets)
	h.must(err)
	h.must(p.Write(h.public))
}

// kill writes everything but the timestamp.
func (h *house) kill(p *Publication) {
	h.Helper()
	h.must(p.WriteInner(h.public))
}

// flat publishes as galley did before there were bins.
func (h *house) flat(contents map[string]string) {
	h.Helper()
	m := metadata.Targets(h.opts.Now.Add(90 * day))
	for name, content := range contents {
		f, err := metadata.TargetFile().FromBytes(name, []byte(content))
		h.must(err)
		m.Signed.Targets[name] = f
		h.must(h.public.Write(HashedName(name, f.Hashes["sha256"].String()), []byte(content)))
	}
	p := &preparation{
		opts: h.opts, out: &Publication{Versions: map[Role]int64{}, Expires: map[Role]time.Time{}},
		keys:      map[Role][]Key{},
		published: &published{highest: map[Role]int64{}, documents: map[Role]*Document{}},
	}
	targets, err := sign(m, h.keys[Targets])
	h.must(err)
	names := map[string]File{"targets.json": {Version: 1, Length: int64(len(targets)), SHA256: Fingerprint(targets)}}
	snapshot, err := p.role(Snapshot, false, names, func(version int64, expires time.Time) ([]byte, error) {
		m := metadata.Snapshot(expires)
		m.Signed.Meta = metaOf(names)
		return sign(m, h.keys[Snapshot])
	})
	h.must(err)
	timestamp := metadata.Timestamp(h.opts.Now.Add(14 * day))
	timestamp.Signed.Meta = metaOf(map[string]File{"snapshot.json": snapshot})
	data, err := sign(timestamp, h.keys[Timestamp])
	h.must(err)
	h.must(errors.Join(h.public.Write(Name(Root, 1), h.opts.Root), h.public.Write(RootCopyName, h.opts.Root),
		h.public.Write(Name(Targets, 1), targets), h.public.Write(p.out.files[0].name, p.out.files[0].data), h.public.Write(TimestampName, data)))
}

func TestFlatTargetsAreFollowedByBins(t *testing.T) {
	h := newHouse(t)
	contents := recipes(12)
	h.flat(contents)
	r := h.reader(h.host())
	h.must(r.read(t.Context(), contents))

	delete(contents, victim)
	p := h.publish(contents)
	if p.Versions[Targets] != 2 || p.Versions[Snapshot] != 2 || p.SignedBins != p.Bins {
		t.Errorf("after flat targets: %+v", p)
	}
	h.must(r.read(t.Context(), contents))
	state, err := r.refresh(t.Context())
	h.must(err)
	if _, ok, err := state.Target(t.Context(), r.from, victim); ok || err != nil {
		t.Errorf("what is retired is there: %v, %v", ok, err)
	}
}

func TestNewTargetsKeySignsEveryBin(t *testing.T) {
	h := newHouse(t)
	contents := recipes(12)
	h.publish(contents)
	r := h.reader(h.host())
	h.must(r.read(t.Context(), contents))

	next := h.repo()
	next.rotate(Targets)
	h.opts.Root = resigned(next, Root, next.root)
	_, err := Prepare(h.opts, nil)
	h.wants(err, fault.Refused, "does not name the key")
	h.keys[Targets] = next.signers[Targets][0]
	h.must(errors.Join(os.Remove(KeyFile(h.opts.KeysDir, Targets)), WriteKey(KeyFile(h.opts.KeysDir, Targets), next.private[Targets], nil, "targets")))
	if p := h.publish(contents); p.SignedBins != p.Bins || p.Versions[Targets] != 2 {
		t.Errorf("%d of %d bins were signed", p.SignedBins, p.Bins)
	}
	h.must(r.read(t.Context(), contents))
}

func TestPrepareRefusesBrokenBins(t *testing.T) {
	h := newHouse(t)
	h.publish(recipes(12))
	r := h.repo()
	name := r.binName(victim)
	good, err := h.public.Read(name, maxBin)
	h.must(err)
	other := ""
	for role, m := range r.bins {
		if Name(role, m.Signed.Version) != name {
			other = Name(role, m.Signed.Version)
		}
	}
	swapped, err := h.public.Read(other, maxBin)
	h.must(err)
	for what, data := range map[string][]byte{
		"flipped": []byte(strings.Replace(string(good), "r3", "r4", 1)), "swapped": swapped, "emptied": {}, "missing": nil,
	} {
		if data == nil {
			h.must(h.public.Remove(name))
		} else {
			h.must(h.public.Write(name, data))
		}
		_, err := Prepare(h.opts, map[string]File{})
		if fault.KindOf(err) != fault.Refused || !strings.Contains(fmt.Sprint(err), name) {
			t.Errorf("%s: %v", what, err)
		}
		h.must(h.public.Write(name, good))
	}
}

// TestWriteAtEveryMoment kills a publication before each of its writes: a reader
// has the old state or the new one, and the next publication follows.
func TestWriteAtEveryMoment(t *testing.T) {
	h := newHouse(t)
	old := recipes(5)
	h.publish(old)
	h.opts.Now = start.Add(time.Hour)
	now := recipes(5)
	now[victim] = "changed"
	for killed := range 20 {
		p := h.prepare(now)
		if killed >= len(p.files) {
			break
		}
		h.must(write(h.public, p.files[:killed]...))
		h.must(h.reader(folder{h.public}).read(t.Context(), old))
	}
	p := h.publish(now)
	h.must(h.reader(folder{h.public}).read(t.Context(), now))
	if got := h.snapshots(); !slices.Equal(got, []int64{1, p.Versions[Snapshot]}) {
		t.Errorf("snapshots %d stand, expected only those that were announced", got)
	}
}

func (h *house) snapshots() []int64 {
	p := &published{highest: map[Role]int64{}}
	h.must(p.list(h.public))
	return p.snapshots
}
