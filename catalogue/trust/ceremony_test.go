package trust

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/internal/fault"
)

// addKey writes one more key into a folder.
func addKey(t testing.TB, dir, file string) Key {
	t.Helper()
	key, private, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteKey(filepath.Join(dir, file), private, nil, file); err != nil {
		t.Fatal(err)
	}
	return key
}

func proposed(t testing.TB, current []byte, edit func(*Proposal) error) *Proposal {
	t.Helper()
	p, err := Propose(current, start.AddDate(2, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := edit(p); err != nil {
		t.Fatal(err)
	}
	return p
}

func bytesOf(t testing.TB, p *Proposal) []byte {
	t.Helper()
	data, err := p.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// twoOfThree is a root that two of three keys sign, after one of a single key,
// and the keys: those of that one are in dir.
func twoOfThree(t testing.TB, dir string) (first, second []byte, keys map[Role]Key, roots []Key) {
	t.Helper()
	keys = newKeys(t, dir)
	first = newRoot(t, keys)
	roots = []Key{keys[Root], addKey(t, t.TempDir(), "root.pem"), addKey(t, t.TempDir(), "root.pem")}
	p := proposed(t, first, func(p *Proposal) error {
		return errors.Join(p.Add(Root, roots[1].PublicKey), p.Add(Root, roots[2].PublicKey), p.SetThreshold(Root, 2))
	})
	if err := errors.Join(p.Sign(roots[0]), p.Sign(roots[1])); err != nil {
		t.Fatal(err)
	}
	return first, bytesOf(t, p), keys, roots
}

// TestCeremony passes a proposal on, one signature at a time.
func TestCeremony(t *testing.T) {
	first, second, keys, roots := twoOfThree(t, t.TempDir())
	if chain, err := NewChain(first); err != nil || chain.Add(second) != nil {
		t.Fatal("the second root does not follow the first")
	}
	p := proposed(t, second, func(p *Proposal) error { return p.Revoke(roots[0].ID()) })
	want := []RoleChange{{Role: Root, Added: []string{}, Removed: []string{roots[0].ID()}, Before: "2 of 3", After: "2 of 2"}}
	if diff := cmp.Diff(want, p.Changes()); diff != "" {
		t.Error(diff)
	}
	if c := p.Cautions(); len(c) != 1 || !strings.Contains(c[0], "every root key is needed") {
		t.Errorf("cautions %q", c)
	}
	// The key that goes may sign for the old root; the new one wants two others.
	for i, step := range []struct {
		key        Key
		old, fresh int
		whole      bool
	}{{roots[0], 1, 0, false}, {roots[1], 2, 1, false}, {roots[1], 2, 1, false}, {roots[2], 3, 2, true}} {
		again, err := ReadProposal(second, bytesOf(t, p))
		if err != nil {
			t.Fatal(err)
		}
		p = again
		if err := p.Sign(step.key); err != nil {
			t.Fatal(err)
		}
		s := p.Signatures()
		if len(s) != 2 || len(s[0].Signed) != step.old || len(s[1].Signed) != step.fresh || p.Whole() != step.whole {
			t.Errorf("step %d: %+v, whole %v", i, s, p.Whole())
		}
		chain, _ := NewChain(second)
		if err := chain.Add(bytesOf(t, p)); (err == nil) != step.whole {
			t.Errorf("step %d: clients say %v", i, err)
		}
	}
	if chain, err := NewChain(bytesOf(t, p)); err != nil || chain.FirstVersion() != 3 {
		t.Errorf("a client that pins the root of after the rotation: %v", err)
	}
	if err := p.Sign(keys[Timestamp]); fault.KindOf(err) != fault.Refused {
		t.Errorf("a timestamp's key signed a root: %v", err)
	}
	if _, err := ReadProposal(bytesOf(t, p), bytesOf(t, p)); !errors.Is(err, ErrInPlace) {
		t.Errorf("a proposal that is the root: %v", err)
	}
}

// TestFirstRootOfMany signs the first root of a catalogue with two keys of three.
func TestFirstRootOfMany(t *testing.T) {
	_, _, keys, roots := twoOfThree(t, t.TempDir())
	p := proposed(t, nil, func(p *Proposal) error {
		if p.SetThreshold(Root, 1) == nil {
			return errors.New("a role without keys got a threshold")
		}
		var err error
		for _, role := range Roles[1:] {
			err = errors.Join(err, p.Add(role, keys[role].PublicKey))
		}
		return errors.Join(p.Add(Root, roots[0].PublicKey), p.Add(Root, roots[1].PublicKey), p.Add(Root, roots[2].PublicKey), p.SetThreshold(Root, 2))
	})
	if p.Version() != 1 || len(p.Signatures()) != 1 || !p.Before().IsZero() {
		t.Errorf("version %d, signatures %+v", p.Version(), p.Signatures())
	}
	if err := p.Sign(roots[2]); err != nil || p.Whole() {
		t.Fatalf("after one signature: whole %v, %v", p.Whole(), err)
	}
	p, err := ReadProposal(nil, bytesOf(t, p))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Sign(roots[0]); err != nil || !p.Whole() {
		t.Fatalf("after two signatures: whole %v, %v", p.Whole(), err)
	}
	if _, err := NewChain(bytesOf(t, p)); err != nil {
		t.Error(err)
	}
}

func TestChangesThatCannotBe(t *testing.T) {
	_, root, keys, roots := twoOfThree(t, t.TempDir())
	p := proposed(t, root, func(p *Proposal) error { return p.Sign(roots[0]) })
	for name, err := range map[string]error{
		"a role without keys":      p.Revoke(keys[Timestamp].ID()),
		"a key twice":              p.Add(Root, roots[1].PublicKey),
		"more needed than named":   p.SetThreshold(Root, 4),
		"nobody needed":            p.SetThreshold(Root, 0),
		"replaced by one it names": p.Replace(Root, roots[0].ID(), roots[1].PublicKey),
	} {
		if fault.KindOf(err) != fault.Usage {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if !p.HasSigned(roots[0].ID()) {
		t.Error("a change that was refused took a signature away")
	}
	p.SetExpires(start.AddDate(3, 0, 0))
	if p.HasSigned(roots[0].ID()) {
		t.Error("a signature outlived what it signed")
	}
}

func TestProposalsThatAreRefused(t *testing.T) {
	first, second, keys, roots := twoOfThree(t, t.TempDir())
	signed := bytesOf(t, proposed(t, second, func(p *Proposal) error { return p.Sign(roots[0]) }))
	stranger := nextRoot(t, second, keys[Timestamp], keys[Snapshot])
	for name, test := range map[string]struct {
		current, data []byte
		want          string
	}{
		"of an older root":       {second, second[:len(second)-1], "metadata"},
		"stale":                  {signedRoot(t, second, roots), signed, "has version 3, expected 4"},
		"two versions on":        {first, signed, "has version 3, expected 2"},
		"signed by a stranger":   {second, stranger, "a signature that is not right"},
		"changed after a signer": {second, []byte(strings.Replace(string(signed), `"threshold":2`, `"threshold":1`, 1)), "a signature that is not right"},
		"impossible":             {second, []byte(strings.Replace(string(signed), `"threshold":2`, `"threshold":9`, 1)), "more keys of root than it names"},
		"of no root":             {[]byte("x"), signed, "follows a root that"},
		"a page":                 {second, []byte("<html>"), "HTML"},
		"without its roles":      {second, []byte(`{"signatures":[],"signed":{"_type":"root","consistent_snapshot":true,"expires":"2027-03-01T12:00:00Z","keys":{},"roles":{"root":null},"spec_version":"1.0.31","version":3}}`), ""},
	} {
		if _, err := ReadProposal(test.current, test.data); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, expected %q in it", name, err, test.want)
		}
	}
}

// signedRoot is the root after the given one, whole.
func signedRoot(t testing.TB, root []byte, signers []Key) []byte {
	t.Helper()
	return bytesOf(t, proposed(t, root, func(p *Proposal) error {
		var errs []error
		for _, key := range signers {
			errs = append(errs, p.Sign(key))
		}
		return errors.Join(errs...)
	}))
}

// place is a published directory and what is signed for it.
type place struct {
	t       testing.TB
	public  *disk.Dir
	opts    PublishOptions
	targets map[string]File
}

func newPlace(t testing.TB, keysDir string, roots ...[]byte) *place {
	t.Helper()
	public, err := disk.Create(filepath.Join(t.TempDir(), "public"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = public.Close() })
	last := len(roots) - 1
	return &place{t: t, public: public, targets: map[string]File{}, opts: PublishOptions{
		Public: public, KeysDir: keysDir, Root: roots[last], Earlier: roots[:last], RootName: "root.json", Expiry: DefaultExpiry, Now: start,
	}}
}

func (p *place) publish(prepare func(PublishOptions) (*Publication, error)) (*Publication, error) {
	p.t.Helper()
	publication, err := prepare(p.opts)
	if err != nil {
		return nil, err
	}
	return publication, publication.Write(p.public)
}

func (p *place) sign(opts PublishOptions) (*Publication, error) { return Prepare(opts, p.targets) }

// TestPublishingStartsAtALaterRoot publishes two roots at once: the ceremony came
// before the first signing.
func TestPublishingStartsAtALaterRoot(t *testing.T) {
	dir := t.TempDir()
	first, second, _, roots := twoOfThree(t, dir)
	third := signedRoot(t, second, roots)
	p := newPlace(t, dir, first, second, third)
	publication, err := p.publish(p.sign)
	if err != nil {
		t.Fatal(err)
	}
	if publication.Versions[Root] != 3 || publication.Fingerprint != Fingerprint(first) {
		t.Errorf("root version %d, fingerprint of the first one: %v", publication.Versions[Root], publication.Fingerprint == Fingerprint(first))
	}
	if s, err := Refresh(t.Context(), folder{p.public}, t.TempDir(), first, start); err != nil || s.Versions[Root] != 3 {
		t.Errorf("a client that trusts the first root: %v", err)
	}
	// Two more at once, on top of what is published.
	fourth := signedRoot(t, third, roots)
	p.opts.Root, p.opts.Earlier = signedRoot(t, fourth, roots), [][]byte{second, third, fourth}
	if publication, err = p.publish(p.sign); err != nil || publication.Versions[Root] != 5 {
		t.Errorf("two roots later: %v", err)
	}
	p.opts.Root, p.opts.Earlier = signedRoot(t, p.opts.Root, roots[:1]), nil
	if _, err := p.publish(p.sign); fault.KindOf(err) != fault.Refused || !strings.Contains(err.Error(), "does not follow root version 5") {
		t.Errorf("a root that one key of two signed: %v", err)
	}
}

// TestThresholdOnline publishes under a root that wants two of three snapshot
// keys, from a folder that has them under any name.
func TestThresholdOnline(t *testing.T) {
	dir := t.TempDir()
	keys := newKeys(t, dir)
	root := newRoot(t, keys)
	away := t.TempDir()
	second, third := addKey(t, dir, "ada"), addKey(t, away, "grace")
	p := proposed(t, root, func(p *Proposal) error {
		return errors.Join(p.Add(Snapshot, second.PublicKey), p.Add(Snapshot, third.PublicKey), p.SetThreshold(Snapshot, 2), p.Sign(keys[Root]))
	})
	place := newPlace(t, dir, root, bytesOf(t, p))
	if _, err := place.publish(place.sign); err != nil {
		t.Fatal(err)
	}
	if _, err := Refresh(t.Context(), folder{place.public}, t.TempDir(), root, start); err != nil {
		t.Error(err)
	}
	if err := os.Chmod(filepath.Join(dir, "ada"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := place.publish(place.sign)
	if err == nil || !strings.Contains(err.Error(), "1 of the 2 keys that snapshot needs are in") || !strings.Contains(err.Error(), "others may read it") {
		t.Errorf("error %v", err)
	}
	if hint := fault.HintOf(err); !strings.Contains(hint, shortID(third.ID())) {
		t.Errorf("hint %q does not name the key that is not here", hint)
	}
}

func TestTimestampAlone(t *testing.T) {
	dir := t.TempDir()
	keys := newKeys(t, dir)
	root := newRoot(t, keys)
	p := newPlace(t, dir, root)
	if _, err := p.publish(PrepareTimestamp); fault.KindOf(err) != fault.Refused || !strings.Contains(err.Error(), "nothing is published") {
		t.Errorf("before anything is published: %v", err)
	}
	if _, err := p.publish(p.sign); err != nil {
		t.Fatal(err)
	}
	for _, role := range []Role{Root, Targets, Snapshot} {
		if err := os.Remove(KeyFile(dir, role)); err != nil {
			t.Fatal(err)
		}
	}
	before, err := p.public.List(100)
	if err != nil {
		t.Fatal(err)
	}
	p.opts.Now = start.Add(40 * day)
	publication, err := p.publish(PrepareTimestamp)
	if err != nil {
		t.Fatal(err)
	}
	if publication.Versions[Timestamp] != 2 || publication.Versions[Snapshot] != 1 || !publication.Expires[Timestamp].Equal(start.Add(54*day)) {
		t.Errorf("%+v", publication)
	}
	if after, err := p.public.List(100); err != nil || !slices.Equal(before, after) {
		t.Errorf("files %v, before %v, %v", after, before, err)
	}
	if s, err := Refresh(t.Context(), folder{p.public}, t.TempDir(), root, p.opts.Now); err != nil || s.Versions[Timestamp] != 2 {
		t.Errorf("a client: %v", err)
	}
	for _, late := range []struct {
		days int
		want string
	}{{80, "1.targets.json expires in 10 days, before the new timestamp would"}, {91, "1.targets.json expired 24 hours ago"}, {366, "root.json expired 24 hours ago"}} {
		p.opts.Now = start.Add(time.Duration(late.days) * day)
		_, err := p.publish(PrepareTimestamp)
		if fault.KindOf(err) != fault.Refused || !strings.Contains(err.Error(), late.want) {
			t.Errorf("after %d days: %v", late.days, err)
		}
	}
	p.opts.Now = start.Add(40 * day)
	if err := os.Remove(KeyFile(dir, Timestamp)); err != nil {
		t.Fatal(err)
	}
	if _, err := p.publish(PrepareTimestamp); fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "no key of timestamp is in") {
		t.Errorf("without the timestamp's key: %v", err)
	}
}

// TestTimestampAloneFollowsARotation signs with a new timestamp key under a new
// root, and refuses when the root took the snapshot's key away.
func TestTimestampAloneFollowsARotation(t *testing.T) {
	dir := t.TempDir()
	keys := newKeys(t, dir)
	root := newRoot(t, keys)
	p := newPlace(t, dir, root)
	if _, err := p.publish(p.sign); err != nil {
		t.Fatal(err)
	}
	for i, role := range []Role{Timestamp, Snapshot} {
		fresh := addKey(t, dir, string(role)+"-2.pem")
		next := proposed(t, p.opts.Root, func(n *Proposal) error {
			return errors.Join(n.Replace(role, keys[role].ID(), fresh.PublicKey), n.Sign(keys[Root]))
		})
		p.opts.Root = bytesOf(t, next)
		publication, err := p.publish(PrepareTimestamp)
		if i == 0 && (err != nil || publication.Versions[Root] != 2) {
			t.Errorf("with the new timestamp key: %v", err)
		}
		if i == 1 && (fault.KindOf(err) != fault.Refused || !strings.Contains(err.Error(), "1.snapshot.json was signed with keys that the newest root does not name")) {
			t.Errorf("with the snapshot's key taken away: %v", err)
		}
	}
	if _, err := Refresh(t.Context(), folder{p.public}, t.TempDir(), root, start); err != nil {
		t.Errorf("a client: %v", err)
	}
}

// TestTimestampAloneLooksAtBins: a bin that changed is signed later than others,
// and one that did not is over while targets.json lasts.
func TestTimestampAloneLooksAtBins(t *testing.T) {
	p, _, _ := drill(t)
	first := p.targets
	for _, after := range []time.Duration{10 * day, 46 * day} {
		p.opts.Now = start.Add(after)
		p.targets = maps.Clone(first)
		p.targets["v1/recipes/a.json"] = File{Length: 1, SHA256: Fingerprint([]byte("a"))}
		if _, err := p.publish(p.sign); err != nil {
			t.Fatal(err)
		}
	}
	p.opts.Now = start.Add(80 * day)
	publication, err := p.publish(PrepareTimestamp)
	if err != nil || !publication.Expires[Targets].Equal(start.Add(100*day)) || publication.Bins < 2 {
		t.Fatalf("publication %+v, %v", publication, err)
	}
	p.opts.Now = start.Add(90 * day)
	if _, err := p.publish(PrepareTimestamp); fault.KindOf(err) != fault.Refused || !strings.Contains(err.Error(), ".bin-") || !strings.Contains(err.Error(), "expires in 10 days") {
		t.Errorf("error %v", err)
	}
}
