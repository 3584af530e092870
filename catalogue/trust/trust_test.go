package trust

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/internal/fault"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newKeys(t testing.TB, dir string) map[Role]Key {
	t.Helper()
	keys := map[Role]Key{}
	for _, role := range Roles {
		key, private, err := NewKey()
		if err != nil {
			t.Fatal(err)
		}
		if err := WriteKey(KeyFile(dir, role), private, nil, string(role)); err != nil {
			t.Fatal(err)
		}
		keys[role] = key
	}
	return keys
}

func newRoot(t testing.TB, keys map[Role]Key) []byte {
	t.Helper()
	p, err := Propose(nil, start.AddDate(1, 0, 0))
	for _, role := range Roles {
		err = errors.Join(err, p.Add(role, keys[role].PublicKey))
	}
	if err = errors.Join(err, p.Sign(keys[Root])); err != nil {
		t.Fatal(err)
	}
	return bytesOf(t, p)
}

// nextRoot is version 2, with a new timestamp key, signed by the given root keys.
func nextRoot(t testing.TB, root []byte, timestamp Key, signers ...Key) []byte {
	t.Helper()
	m, err := new(metadata.Metadata[metadata.RootType]).FromBytes(root)
	if err != nil {
		t.Fatal(err)
	}
	m.Signed.Version++
	m.Signed.Roles[string(Timestamp)].KeyIDs = nil
	if err := m.Signed.AddKey(timestamp.metadata, string(Timestamp)); err != nil {
		t.Fatal(err)
	}
	m.ClearSignatures()
	for _, key := range signers {
		if _, err := m.Sign(key.signer); err != nil {
			t.Fatal(err)
		}
	}
	data, err := m.ToBytes(false)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestChain(t *testing.T) {
	keys, other := newKeys(t, t.TempDir()), newKeys(t, t.TempDir())
	root := newRoot(t, keys)
	next := nextRoot(t, root, other[Timestamp], keys[Root])
	chain, err := NewChain(root)
	if err != nil {
		t.Fatal(err)
	}
	refused := map[string][]byte{
		"is version 1 again":         root,
		"signed by a stranger":       nextRoot(t, root, other[Timestamp], other[Root]),
		"has one wrong signature":    nextRoot(t, root, other[Timestamp], keys[Root], other[Root]),
		"jumps a version":            nextRoot(t, next, other[Timestamp], keys[Root]),
		"is not signed":              nextRoot(t, root, other[Timestamp]),
		"is written with a blank":    append([]byte(" "), next...),
		"has a key in upper case":    []byte(strings.Replace(string(next), `"signed"`, `"Signed"`, 1)),
		"has a null among its roles": []byte(strings.Replace(string(next), `"roles":{`, `"roles":{"a":null,`, 1)),
	}
	for name, data := range refused {
		if err := chain.Add(data); err == nil {
			t.Errorf("a root that %s was taken", name)
		}
	}
	if err := chain.Add(next); err != nil {
		t.Fatal(err)
	}
	if chain.Version() != 2 || chain.FirstVersion() != 1 || !chain.Contains(root) || string(chain.Last()) != string(next) {
		t.Errorf("chain of versions %d to %d", chain.FirstVersion(), chain.Version())
	}
}

func TestCheckTellsOlderRoots(t *testing.T) {
	keys, other := newKeys(t, t.TempDir()), newKeys(t, t.TempDir())
	chain, err := NewChain(newRoot(t, keys))
	if err != nil {
		t.Fatal(err)
	}
	if err := chain.Add(nextRoot(t, chain.Last(), other[Timestamp], keys[Root])); err != nil {
		t.Fatal(err)
	}
	signed := func(key Key) []byte {
		data, err := sign(metadata.Timestamp(start), key)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	if _, current, err := chain.Check(Timestamp, signed(other[Timestamp])); err != nil || !current {
		t.Errorf("under the newest root: current %v, %v", current, err)
	}
	if _, current, err := chain.Check(Timestamp, signed(keys[Timestamp])); err != nil || current {
		t.Errorf("under an older root: current %v, %v", current, err)
	}
	if _, _, err := chain.Check(Timestamp, signed(keys[Snapshot])); err == nil {
		t.Error("a timestamp signed with the snapshot's key was taken")
	}
	if _, _, err := chain.Check(Snapshot, signed(other[Timestamp])); err == nil {
		t.Error("a timestamp was taken for a snapshot")
	}
}

// folder fetches from a folder.
type folder struct{ *disk.Dir }

func (f folder) Fetch(_ context.Context, name string, limit int64) ([]byte, error) {
	return f.Read(name, limit)
}

func TestKeyRotation(t *testing.T) {
	keysDir, otherDir := t.TempDir(), t.TempDir()
	keys, other := newKeys(t, keysDir), newKeys(t, otherDir)
	root := newRoot(t, keys)
	public, err := disk.Create(filepath.Join(t.TempDir(), "public"))
	if err != nil {
		t.Fatal(err)
	}
	defer public.Close()
	opts := PublishOptions{Public: public, KeysDir: keysDir, Root: root, RootName: "root.json", Expiry: DefaultExpiry, Now: start}
	target := []byte("content")
	targets := map[string]File{"a/b.txt": {Length: int64(len(target)), SHA256: Fingerprint(target)}}
	publish := func() *Publication {
		t.Helper()
		p, err := Prepare(opts, targets)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(public.Write(HashedName("a/b.txt", Fingerprint(target)), target), p.Write(public)); err != nil {
			t.Fatal(err)
		}
		return p
	}
	state := t.TempDir()
	refresh := func(root []byte) *State {
		t.Helper()
		s, err := Refresh(t.Context(), folder{public}, state, root, opts.Now)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	publish()
	refresh(root)

	opts.Root = nextRoot(t, root, other[Timestamp], keys[Root])
	_, err = Prepare(opts, targets)
	if fault.KindOf(err) != fault.Refused || !strings.Contains(err.Error(), "does not name the key") {
		t.Errorf("signing with the key that was taken away: %v", err)
	}
	data, err := os.ReadFile(KeyFile(otherDir, Timestamp))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(KeyFile(keysDir, Timestamp), data, 0o600); err != nil {
		t.Fatal(err)
	}
	if p := publish(); p.Versions[Root] != 2 || p.Versions[Targets] != 1 || p.Versions[Timestamp] != 2 || p.Fingerprint != Fingerprint(root) {
		t.Errorf("after the rotation: %+v", p.Versions)
	}
	saved, err := SavedRoot(state)
	if err != nil {
		t.Fatal(err)
	}
	s := refresh(saved)
	if s.Versions[Root] != 2 || s.Versions[Timestamp] != 2 {
		t.Errorf("the client has %+v", s.Versions)
	}
	got, err := s.Fetch(t.Context(), folder{public}, "a/b.txt")
	if err != nil || string(got) != "content" {
		t.Errorf("fetched %q, %v", got, err)
	}
	if _, err := s.Fetch(t.Context(), folder{public}, "a/c.txt"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a target that is not there: %v", err)
	}
}

func TestShort(t *testing.T) {
	if got := Short("0123456789abcdef0123"); got != "0123 4567 89ab cdef" {
		t.Errorf("Short gives %q", got)
	}
}

// FuzzParse sees that nothing but galley's own spelling is taken, and that
// nothing crashes the reader.
func FuzzParse(f *testing.F) {
	// The fuzzer's processes must agree on what is signed.
	keys := map[Role]Key{}
	for i, role := range Roles {
		key, err := keyOf(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{byte(i)}, ed25519.SeedSize)))
		if err != nil {
			f.Fatal(err)
		}
		keys[role] = key
	}
	root := newRoot(f, keys)
	timestamp, err := sign(metadata.Timestamp(start), keys[Timestamp])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(Root), root)
	f.Add(string(Timestamp), timestamp)
	f.Add(string(Targets), []byte(`{"signatures":[],"signed":{"_type":"targets","targets":{"x":null}}}`))
	f.Add(string(Snapshot), []byte(`{"signatures":[],"signed":{"_type":"snapshot","meta":{"x":null}}}`))
	f.Add(string(Root), []byte(`{"signatures":[],"signed":{"_type":"root","roles":{"root":null},"keys":{"a":null}}}`))
	f.Add("bin-0", []byte(`{"signatures":[],"signed":{"_type":"targets","targets":{"x":{"hashes":{"sha256":"00"},"length":-1}}}}`))
	f.Add(string(Targets), []byte(`{"signatures":[],"signed":{"_type":"targets","delegations":{"keys":{"a":null},"succinct_roles":{"keyids":["a"],"threshold":1,"bit_length":32,"name_prefix":"bin"}},"targets":{}}}`))
	chain, err := NewChain(root)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, role string, data []byte) {
		doc, err := Parse(Role(role), data)
		if err == nil && doc.Version < 1 {
			t.Errorf("version %d was taken", doc.Version)
		}
		if _, _, err := chain.Check(Role(role), data); err == nil && string(data) != string(timestamp) && string(data) != string(root) {
			t.Errorf("took a %s that nobody signed: %s", role, data)
		}
		if doc != nil && len(doc.Bins()) > 1<<maxBits {
			t.Errorf("took %d bins", len(doc.Bins()))
		}
		if doc != nil && doc.Role == Targets {
			if _, err := doc.CheckBin("bin-0", data); err == nil {
				t.Errorf("took targets for a bin: %s", data)
			}
		}
		if _, err := NewChain(data); err == nil && string(data) != string(root) {
			t.Errorf("took a root that nobody signed: %s", data)
		}
	})
}
