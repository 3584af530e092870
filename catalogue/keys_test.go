package catalogue

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
)

func typed(passphrase string) trust.Passphrase {
	return func(string) ([]byte, error) { return []byte(passphrase), nil }
}

// machine is a person's folder: a root key, and what was carried there. Only Ada's
// has a passphrase: deriving keys from them is slow on purpose.
type machine struct {
	t    *testing.T
	dir  string
	key  *MadeKey
	opts KeyOptions
}

func newMachine(t *testing.T, name string) *machine {
	t.Helper()
	m := &machine{t: t, dir: t.TempDir()}
	m.opts = KeyOptions{Keys: filepath.Join(m.dir, KeysName), Root: filepath.Join(m.dir, RootName), Now: start, Passphrase: typed(name)}
	opts := NewKeyOptions{Dir: m.opts.Keys, Role: trust.Root}
	if name == "ada" {
		opts.Passphrase = []byte(name)
	}
	key, err := NewKey(opts)
	must(t, err)
	m.key = key
	return m
}

func (m *machine) path(name string) string { return filepath.Join(m.dir, name) }

// carry copies files from another folder, as a stick would.
func carry(t *testing.T, from, to string, names ...string) {
	t.Helper()
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(from, name))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(to, name), data, 0o644))
	}
}

// ceremony is a catalogue whose first root two of three machines signed, and the
// publisher's machine.
func ceremony(t *testing.T) (w *world, box KeyOptions, machines []*machine) {
	t.Helper()
	w = newWorld(t)
	machines = []*machine{newMachine(t, "ada"), newMachine(t, "grace"), newMachine(t, "mo")}
	var public []string
	for _, m := range machines {
		public = append(public, m.key.Public)
	}
	made, err := Init(w.path("publisher"), InitOptions{Name: "Test", Now: start, RootKeys: public, Threshold: 2})
	must(t, err)
	if made.Fingerprint != "" || made.Proposal == "" {
		t.Errorf("made %+v", made)
	}
	box = KeyOptions{Keys: made.Keys, Root: made.Root, Public: w.path("public"), Now: start}
	signAround(t, w.path("publisher"), box, machines[0], machines[1])
	return w, box, machines
}

// signAround carries the publisher's proposal to machines, one after the other,
// and back.
func signAround(t *testing.T, publisher string, box KeyOptions, machines ...*machine) {
	t.Helper()
	at := publisher
	for i, m := range machines {
		carry(t, at, m.dir, ProposalName)
		if _, err := os.Stat(box.Root); err == nil {
			carry(t, publisher, m.dir, RootName)
		}
		m.opts.Now = box.Now
		p, err := SignProposal(m.opts)
		must(t, err)
		if last := i == len(machines)-1; p.Installed != last || len(p.Added) != 1 {
			t.Fatalf("after machine %d: %+v", i, p)
		}
		at = m.dir
	}
	// The last machine has the new root in place. It goes to the publisher's, where
	// the proposal of before is still waiting.
	box.Proposal = filepath.Join(at, RootName)
	p, err := SignProposal(box)
	must(t, err)
	if _, err := os.Stat(filepath.Join(publisher, ProposalName)); !p.Installed || len(p.Added) != 0 || !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("at the publisher's: %+v, the proposal of before: %v", p, err)
	}
	if _, err := os.Stat(box.Proposal); err != nil {
		t.Fatalf("the last one's root: %v", err)
	}
}

func TestCeremonyOnThreeMachines(t *testing.T) {
	w, box, machines := ceremony(t)
	w.build(config(webRepo(t)), w.path("build"))
	signed := w.sign(start)
	root, err := ExportRoot(box)
	must(t, err)
	if root.Version != 1 || root.Fingerprint != signed.Fingerprint || root.First != root.Fingerprint {
		t.Errorf("exported version %d, %s, first %s", root.Version, root.Fingerprint, root.First)
	}
	c, err := w.open(w.path("public"), ClientOptions{StateDir: w.path("operator"), Root: []byte(root.Data)})
	must(t, err)
	must(t, readAll(t.Context(), c))

	// One of the three is lost: the other two name a new one.
	fresh := newMachine(t, "eve")
	box.Now = start.AddDate(0, 1, 0)
	p, err := RotateKey(box, Rotation{Role: trust.Root, Replace: machines[0].key.ID[:8], Public: fresh.key.Public})
	must(t, err)
	want := []trust.RoleChange{{Role: trust.Root, Added: []string{fresh.key.ID}, Removed: []string{machines[0].key.ID}, Before: "2 of 3", After: "2 of 3"}}
	if diff := cmp.Diff(want, p.Changes); diff != "" {
		t.Error(diff)
	}
	signAround(t, w.path("publisher"), box, machines[1], machines[2])
	w.sign(box.Now)
	if v := w.verify(w.path("public"), box.Now); len(v.Problems) > 0 {
		t.Error(problems(v))
	}
	c, err = w.open(w.path("public"), ClientOptions{StateDir: w.path("operator"), Now: box.Now})
	must(t, err)
	if info := c.Info(); info.Root.Version != 2 || info.Fingerprint != root.Fingerprint {
		t.Errorf("the operator has root %d of %s", info.Root.Version, info.Fingerprint)
	}
	// The newest root can be pinned too, though a key that it does not name signed it.
	newest, err := ExportRoot(box)
	must(t, err)
	if newest.First != root.Fingerprint || newest.Version != 2 {
		t.Errorf("exported version %d, first %s", newest.Version, newest.First)
	}
	_, err = w.open(w.path("public"), ClientOptions{StateDir: w.path("another"), Root: []byte(newest.Data), Now: box.Now})
	must(t, err)
}

func TestCeremonyIsInterrupted(t *testing.T) {
	w, box, machines := ceremony(t)
	publisher := w.path("publisher")
	_, err := RenewRoot(box)
	must(t, err)
	ada, grace := machines[0], machines[1]
	carry(t, publisher, ada.dir, ProposalName, RootName)
	carry(t, publisher, grace.dir, RootName)

	// A wrong passphrase leaves everything as it was.
	before := snapshotOf(t, ada.dir)
	ada.opts.Passphrase = typed("grace")
	_, err = SignProposal(ada.opts)
	wants(t, err, fault.Unavailable, "the passphrase is not right")
	if diff := cmp.Diff(before, snapshotOf(t, ada.dir)); diff != "" {
		t.Error(diff)
	}
	ada.opts.Passphrase = typed("ada")
	_, err = SignProposal(ada.opts)
	must(t, err)
	_, err = SignProposal(ada.opts)
	wants(t, err, fault.Unavailable, "no root key in")
	if hint := fault.HintOf(err); !strings.Contains(hint, "1 more of root 1's keys and 1 more of root 2's keys") {
		t.Errorf("hint %q", hint)
	}

	// A change after the first signature takes it away, and says so.
	carry(t, ada.dir, publisher, ProposalName)
	p, err := RotateKey(box, Rotation{Role: trust.Timestamp, NewPassphrase: typed("box")})
	must(t, err)
	if p.Dropped != 1 || p.Key == nil || p.Key.File != filepath.Join(publisher, KeysName, "timestamp-2.pem") {
		t.Errorf("proposed %+v", p)
	}
	// Killed after the last signature was kept and before root.json was: again.
	signAll := func(m *machine, installed bool) {
		t.Helper()
		p, err := SignProposal(m.opts)
		must(t, err)
		if p.Installed != installed {
			t.Fatalf("installed %v", p.Installed)
		}
	}
	carry(t, publisher, ada.dir, ProposalName)
	signAll(ada, false)
	carry(t, ada.dir, grace.dir, ProposalName)
	signAll(grace, true)
	whole, err := os.ReadFile(grace.path(RootName))
	must(t, err)
	if old, err := os.ReadFile(grace.path("1.root.json")); err != nil || string(old) == string(whole) {
		t.Errorf("the root before is not kept: %v", err)
	}
	must(t, os.WriteFile(grace.path(ProposalName), whole, 0o644)) // killed before it was removed
	signAll(grace, true)
	if _, err := os.Stat(grace.path(ProposalName)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the proposal is still there: %v", err)
	}
	// What ada has left is of no use any more: it is whole nowhere and stale there.
	carry(t, grace.dir, ada.dir, RootName)
	_, err = SignProposal(ada.opts)
	wants(t, err, fault.Refused, "has version 2, expected 3")
	list, err := ListKeys(ada.opts)
	must(t, err)
	if len(list.Warnings) != 1 || !strings.Contains(list.Warnings[0], "expected 3") || list.Proposal != nil {
		t.Errorf("warnings %q", list.Warnings)
	}
}

func TestListKeys(t *testing.T) {
	w, box, machines := ceremony(t)
	w.build(config(webRepo(t)), w.path("build"))
	w.sign(start)
	_, err := RotateKey(box, Rotation{Role: trust.Snapshot})
	must(t, err)
	box.Now = start.Add(78 * 24 * time.Hour)
	list, err := ListKeys(box)
	must(t, err)
	var got []string
	for _, role := range list.Roles {
		got = append(got, strings.Join([]string{role.Role, role.Expires.Format("2006-01-02"), filepath.Base(role.Keys[0].File)}, " "))
	}
	want := []string{"root 2027-03-01 .", "targets 2026-05-30 targets.pem", "snapshot 2026-05-30 snapshot.pem", "timestamp 2026-03-15 timestamp.pem"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if list.Roles[1].DaysLeft != 12 || list.Roles[3].DaysLeft != -64 || list.Roles[0].Threshold != 2 || len(list.Roles[0].Keys) != 3 {
		t.Errorf("%+v", list.Roles)
	}
	if len(list.Warnings) != 2 || !strings.Contains(list.Warnings[0], "the targets metadata expires in 12 days") {
		t.Errorf("warnings %q", list.Warnings)
	}
	if len(list.Unused) != 1 || list.Unused[0].Encrypted || list.Proposal == nil || list.Proposal.Version != 2 {
		t.Errorf("unused %+v, proposal %+v", list.Unused, list.Proposal)
	}
	machines[0].opts.Root = box.Root
	list, err = ListKeys(machines[0].opts)
	must(t, err)
	if key := list.Roles[0].Keys[0]; !key.Encrypted || key.ID != machines[0].key.ID || list.Roles[1].Expires != nil {
		t.Errorf("on a root key's machine: %+v", list.Roles[:2])
	}
}

func TestKeyChangesThatAreRefused(t *testing.T) {
	_, box, machines := ceremony(t)
	before := snapshotOf(t, filepath.Dir(box.Root))
	tests := map[string]func() (*Proposed, error){
		"without key": func() (*Proposed, error) {
			list, err := ListKeys(box)
			must(t, err)
			return RevokeKey(box, list.Roles[3].Keys[0].ID)
		},
		"names 0 of the root's keys": func() (*Proposed, error) { return RevokeKey(box, "0123456789") },
		"is too short":               func() (*Proposed, error) { return RevokeKey(box, machines[0].key.ID[:7]) },
		"root has 3 keys":            func() (*Proposed, error) { return RotateKey(box, Rotation{Role: trust.Root}) },
		"cannot sign":                func() (*Proposed, error) { return SetThreshold(box, trust.Root, 4) },
		"is one of root already":     func() (*Proposed, error) { return AddKey(box, trust.Root, machines[0].key.Public) },
		"expected one line":          func() (*Proposed, error) { return AddKey(box, trust.Root, machines[0].key.File) },
		"the passphrases differ": func() (*Proposed, error) {
			return RotateKey(box, Rotation{Role: trust.Timestamp, NewPassphrase: func(string) ([]byte, error) {
				return nil, fault.New(fault.Usage, "the passphrases differ")
			}})
		},
	}
	for want, change := range tests {
		t.Run(want, func(t *testing.T) {
			_, err := change()
			wants(t, err, fault.Usage, want)
			if diff := cmp.Diff(before, snapshotOf(t, filepath.Dir(box.Root))); diff != "" {
				t.Error(diff)
			}
		})
	}
	_, err := SignProposal(box)
	wants(t, err, fault.Unavailable, "nothing is proposed")
	_, err = NewKey(NewKeyOptions{Dir: box.Keys, Role: "mirrors"})
	wants(t, err, fault.Usage, "is no role")
}

func TestInitWithRootKeysThatCannotBe(t *testing.T) {
	w := newWorld(t)
	ada := newMachine(t, "ada")
	for want, opts := range map[string]InitOptions{
		"root has 1 keys, so 2 of them cannot sign": {RootKeys: []string{ada.key.Public}, Threshold: 2},
		"root has 1 keys, so 3 of them cannot sign": {Threshold: 3},
		"expected one line":                         {RootKeys: []string{ada.key.File}},
		"is one of root already":                    {RootKeys: []string{ada.key.Public, ada.key.Public}},
	} {
		opts.Now = start
		_, err := Init(w.path("publisher"), opts)
		wants(t, err, fault.Usage, want)
		if left, err := os.ReadDir(w.path("publisher")); err != nil || len(left) > 0 {
			t.Errorf("%s: left %v, %v", want, left, err)
		}
	}
}

// TestSignWithPassphrases asks for the passphrases of keys that are needed, and
// for no other.
func TestSignWithPassphrases(t *testing.T) {
	w := published(t)
	opts := w.signOptions(start.Add(time.Hour))
	for _, name := range []string{"root.pem", "targets.pem"} {
		out, err := exec.Command("ssh-keygen", "-q", "-p", "-P", "", "-N", "box", "-f", filepath.Join(opts.Keys, name)).CombinedOutput()
		if errors.Is(err, exec.ErrNotFound) {
			lacks(t, "ssh-keygen is not here")
		}
		if err != nil {
			t.Fatalf("ssh-keygen: %v\n%s", err, out)
		}
	}
	_, err := Sign(t.Context(), opts)
	wants(t, err, fault.Usage, "has a passphrase, and none was given")
	opts.Passphrase = typed("wrong")
	_, err = Sign(t.Context(), opts)
	wants(t, err, fault.Unavailable, "the passphrase is not right")
	var asked []string
	opts.Passphrase = func(file string) ([]byte, error) {
		asked = append(asked, filepath.Base(file))
		return []byte("box"), nil
	}
	_, err = Sign(t.Context(), opts)
	must(t, err)
	if diff := cmp.Diff([]string{"targets.pem"}, asked); diff != "" {
		t.Error(diff)
	}
}

func TestRefresh(t *testing.T) {
	w := published(t)
	opts := RefreshOptions{Public: w.path("public"), Keys: w.path("timer"), Now: start.Add(24 * time.Hour)}
	must(t, os.Mkdir(opts.Keys, 0o700))
	must(t, os.Rename(filepath.Join(w.path("publisher"), KeysName, "timestamp.pem"), filepath.Join(opts.Keys, "timestamp.pem")))
	before := snapshotOf(t, w.path("public"))
	signed, err := Refresh(t.Context(), opts)
	must(t, err)
	if diff := cmp.Diff(map[string]int64{"root": 1, "targets": 1, "snapshot": 1, "timestamp": 2}, versionsOf(signed)); diff != "" {
		t.Error(diff)
	}
	after := snapshotOf(t, w.path("public"))
	delete(before, trust.TimestampName)
	delete(after, trust.TimestampName)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("more than the timestamp changed:\n%s", diff)
	}
	opts.Now = start.Add(77 * 24 * time.Hour)
	opts.Expiry.Timestamp = 24 * time.Hour
	opts.Root = filepath.Join(w.path("publisher"), RootName)
	signed, err = Refresh(t.Context(), opts)
	must(t, err)
	if len(signed.Warnings) != 2 || !strings.Contains(signed.Warnings[1], "the snapshot expires in 13 days; galley catalogue sign") {
		t.Errorf("warnings %q", signed.Warnings)
	}
	opts.Now = start.Add(89*24*time.Hour + time.Hour)
	_, err = Refresh(t.Context(), opts)
	wants(t, err, fault.Refused, "expires in 23 hours, before the new timestamp would")
	if v := w.verify(w.path("public"), start.Add(77*24*time.Hour)); len(v.Problems)+len(v.Leftovers) > 0 {
		t.Error(problems(v), v.Leftovers)
	}
	opts.Public = w.path("nowhere")
	_, err = Refresh(t.Context(), opts)
	wants(t, err, fault.Unavailable, "no such file")
}

// TestRefreshWaitsForSign keeps two from signing the same version.
func TestRefreshWaitsForSign(t *testing.T) {
	w := published(t)
	before := snapshotOf(t, w.path("public"))
	unlock, err := lockFolder(t.Context(), w.path("public"))
	must(t, err)
	opts := RefreshOptions{Public: w.path("public"), Keys: w.signOptions(start).Keys, Now: start}
	limited, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := Refresh(limited, opts); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it did not wait: %v", err)
	}
	if _, err := Sign(limited, w.signOptions(start)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("sign did not wait: %v", err)
	}
	if diff := cmp.Diff(before, snapshotOf(t, w.path("public"))); diff != "" {
		t.Error(diff)
	}
	must(t, unlock())
	_, err = Refresh(t.Context(), opts)
	must(t, err)
}
