package trust

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/internal/fault"
)

// far is a version that a publisher does not reach in a lifetime.
const far = 1 << 40

// thief has a copy of what is published and the keys of the machine that
// publishes it, but for the targets'.
type thief struct {
	*place
	keys map[Role]Key
}

func steal(t *testing.T, from *place, keys map[Role]Key) *thief {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "stolen")
	if err := os.CopyFS(dir, os.DirFS(from.public.Name())); err != nil {
		t.Fatal(err)
	}
	public, err := disk.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = public.Close() })
	return &thief{&place{t: t, public: public, opts: from.opts}, keys}
}

// forge signs a snapshot and a timestamp of that version; the snapshot says which
// targets belong to it.
func (f *thief) forge(version int64, targets map[string]File) {
	f.t.Helper()
	expires := f.opts.Now.AddDate(5, 0, 0)
	s := metadata.Snapshot(expires)
	s.Signed.Version, s.Signed.Meta = version, metaOf(targets)
	snapshot, err := sign(s, f.keys[Snapshot])
	if err != nil {
		f.t.Fatal(err)
	}
	ts := metadata.Timestamp(expires)
	ts.Signed.Version = version
	ts.Signed.Meta = metaOf(map[string]File{"snapshot.json": {Version: version, Length: int64(len(snapshot)), SHA256: Fingerprint(snapshot)}})
	timestamp, err := sign(ts, f.keys[Timestamp])
	if err != nil {
		f.t.Fatal(err)
	}
	if err := errors.Join(f.public.Write(Name(Snapshot, version), snapshot), f.public.Write(TimestampName, timestamp)); err != nil {
		f.t.Fatal(err)
	}
}

// client is a folder of what one operator has seen.
type client struct {
	t    *testing.T
	dir  string
	root []byte
}

func (c *client) refresh(from *place, now time.Time) (*State, error) {
	c.t.Helper()
	if saved, err := SavedRoot(c.dir); err == nil {
		c.root = saved
	}
	return Refresh(c.t.Context(), folder{from.public}, c.dir, c.root, now)
}

// drill is a published catalogue and the keys that sign it.
func drill(t *testing.T) (p *place, keys map[Role]Key, operator *client) {
	t.Helper()
	dir := t.TempDir()
	keys = newKeys(t, dir)
	root := newRoot(t, keys)
	p = newPlace(t, dir, root)
	p.targets = map[string]File{"v1/index.json": {Length: 3, SHA256: Fingerprint([]byte("{}\n"))}}
	if err := p.public.Write(HashedName("v1/index.json", p.targets["v1/index.json"].SHA256), []byte("{}\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := p.publish(p.sign); err != nil {
		t.Fatal(err)
	}
	operator = &client{t, t.TempDir(), root}
	if _, err := operator.refresh(p, start); err != nil {
		t.Fatal(err)
	}
	return p, keys, operator
}

// rotate makes the next root, with new keys for the roles, signed by the root key.
func (p *place) rotate(keys map[Role]Key, roles ...Role) {
	p.t.Helper()
	next := proposed(p.t, p.opts.Root, func(n *Proposal) error {
		var errs []error
		for _, role := range roles {
			fresh := addKey(p.t, p.opts.KeysDir, string(role)+"-2.pem")
			errs = append(errs, n.Replace(role, keys[role].ID(), fresh.PublicKey))
		}
		return errors.Join(append(errs, n.Sign(keys[Root]))...)
	})
	p.opts.Earlier = append(p.opts.Earlier, p.opts.Root)
	p.opts.Root = bytesOf(p.t, next)
}

func (p *place) targetsFile() map[string]File {
	p.t.Helper()
	published, err := readPublished(p.opts)
	if err != nil {
		p.t.Fatal(err)
	}
	return published.documents[Snapshot].Files
}

// TestRecoveryFromStolenOnlineKeys is the drill of docs/keys.md: the thief moves
// the versions far ahead, so that the publisher's are "older than seen", and root
// alone gets clients out of it.
func TestRecoveryFromStolenOnlineKeys(t *testing.T) {
	p, keys, operator := drill(t)
	thief := steal(t, p, keys)
	thief.forge(far, p.targetsFile())
	if s, err := operator.refresh(thief.place, start); err != nil || s.Versions[Timestamp] != far || s.Versions[Snapshot] != far {
		t.Fatalf("the attack of this test is none: %v", err)
	}
	p.opts.Now = start.Add(day)
	if _, err := p.publish(p.sign); err != nil {
		t.Fatal(err)
	}
	if _, err := operator.refresh(p, p.opts.Now); fault.KindOf(err) != fault.Refused || !strings.Contains(err.Error(), "is older than seen: version 2 < 1099511627776") {
		t.Errorf("before the recovery: %v", err)
	}
	p.rotate(keys, Snapshot, Timestamp)
	if _, err := p.publish(p.sign); err != nil {
		t.Fatal(err)
	}
	s, err := operator.refresh(p, p.opts.Now)
	if err != nil {
		t.Fatal(err)
	}
	if s.Versions[Root] != 2 || s.Versions[Timestamp] != 3 || s.Versions[Snapshot] != 2 || s.Versions[Targets] != 1 {
		t.Errorf("after the recovery: %v", s.Versions)
	}
	if data, err := s.Fetch(t.Context(), folder{p.public}, "v1/index.json"); err != nil || string(data) != "{}\n" {
		t.Errorf("fetched %q, %v", data, err)
	}
	// What the thief has is worth nothing now, not to this client and not to one
	// that comes for the first time and is shown the new root.
	copyRoot(t, p, thief.place)
	for _, c := range []*client{operator, {t, t.TempDir(), p.opts.Earlier[0]}} {
		if _, err := c.refresh(thief.place, p.opts.Now); fault.KindOf(err) != fault.Refused || !strings.Contains(err.Error(), "is not signed by the keys that the root names for timestamp") {
			t.Errorf("the thief, after the recovery: %v", err)
		}
	}
	// Rollback counts again from here.
	p.opts.Now = p.opts.Now.Add(day)
	old := steal(t, p, nil)
	_, err = p.publish(PrepareTimestamp)
	if err == nil {
		_, err = operator.refresh(p, p.opts.Now)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := operator.refresh(old.place, p.opts.Now); err == nil || !strings.Contains(err.Error(), "older than seen") {
		t.Errorf("an old copy, after the recovery: %v", err)
	}
}

func copyRoot(t *testing.T, from, to *place) {
	t.Helper()
	data, err := from.public.Read(Name(Root, 2), maxRoot)
	if err == nil {
		err = to.public.Write(Name(Root, 2), data)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestRecoveryNeedsBothKeys: a thief of the snapshot's key claims targets that do
// not exist. A client keeps the claim, though it does not get the targets, and
// another timestamp key does not make it forget.
func TestRecoveryNeedsBothKeys(t *testing.T) {
	p, keys, operator := drill(t)
	thief := steal(t, p, keys)
	claimed := p.targetsFile() // bins too: a client refuses a snapshot that lacks some
	claimed["targets.json"] = File{Version: far, Length: 1, SHA256: Fingerprint(nil)}
	thief.forge(far, claimed)
	if _, err := operator.refresh(thief.place, start); fault.KindOf(err) != fault.Refused {
		t.Fatalf("targets that nobody signed: %v", err)
	}
	p.rotate(keys, Timestamp)
	if _, err := p.publish(p.sign); err != nil {
		t.Fatal(err)
	}
	if _, err := operator.refresh(p, start); err == nil {
		t.Error("another timestamp key was enough")
	}
	p.rotate(keys, Snapshot)
	if _, err := p.publish(p.sign); err != nil {
		t.Fatal(err)
	}
	if s, err := operator.refresh(p, start); err != nil || s.Versions[Root] != 3 {
		t.Errorf("after both: %v", err)
	}
}

// TestRecoveryIntoAnEmptyFolder is for a web server that was broken into: what
// stands there is not built on, and versions begin at 1 again.
func TestRecoveryIntoAnEmptyFolder(t *testing.T) {
	p, keys, operator := drill(t)
	for range 3 {
		if _, err := p.publish(p.sign); err != nil {
			t.Fatal(err)
		}
	}
	thief := &thief{p, keys}
	thief.forge(999_999_999_999_999_999, p.targetsFile()) // the highest that has a file name
	if _, err := operator.refresh(p, start); err != nil {
		t.Fatal(err)
	}
	p.rotate(keys, Snapshot, Timestamp)
	if _, err := p.publish(p.sign); fault.KindOf(err) != fault.Refused || !strings.Contains(err.Error(), "leaves none for the next one") {
		t.Errorf("on top of the thief's: %v", err)
	}
	fresh := newPlace(t, p.opts.KeysDir, append(p.opts.Earlier, p.opts.Root)...)
	fresh.targets = p.targets
	if _, err := fresh.publish(fresh.sign); err != nil {
		t.Fatal(err)
	}
	s, err := operator.refresh(fresh, start)
	if err != nil || s.Versions[Root] != 2 || s.Versions[Timestamp] != 1 || s.Versions[Snapshot] != 1 {
		t.Errorf("after the recovery: %v", err)
	}
}

// TestExpiredRoot is the other drill: nobody renewed the root in time.
func TestExpiredRoot(t *testing.T) {
	p, keys, operator := drill(t)
	late := start.AddDate(1, 0, 20)
	p.opts.Now = late
	for name, prepare := range map[string]func(PublishOptions) (*Publication, error){"sign": p.sign, "refresh": PrepareTimestamp} {
		if _, err := p.publish(prepare); fault.KindOf(err) != fault.Refused || !strings.Contains(err.Error(), "root.json expired 20 days ago") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := operator.refresh(p, late); fault.KindOf(err) != fault.Refused || !strings.Contains(err.Error(), "1.root.json expired") {
		t.Errorf("a client: %v", err)
	}
	next := proposed(t, p.opts.Root, func(n *Proposal) error { return n.Sign(keys[Root]) })
	p.opts.Root = bytesOf(t, next)
	if _, err := p.publish(p.sign); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*client{"one that had seen it": operator, "one that only has the first root": {t, t.TempDir(), operator.root}} {
		if s, err := c.refresh(p, late); err != nil || s.Versions[Root] != 2 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
