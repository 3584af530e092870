package trust

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/galley-coop/galley/internal/fault"
)

// attack is what a host does to a reader that has seen the second publication.
type attack struct {
	*repo
	host   *host
	reader *reader
	old    *repo             // the first publication
	before map[string][]byte // and its files
	stolen bool              // keys
}

// attacks are TUF's (specification 1.0.31, section 1.5.2) and those of go-tuf's
// own tests of its updater, against the top-level roles and against hash bins.
// Each must be refused with these words.
var attacks = []struct {
	name string
	harm func(a *attack)
	want string
}{
	{"arbitrary software: a changed file", func(a *attack) {
		a.host.put(a.copyOf(victim), []byte("recipe 4\n"))
	}, "recipes/" + Fingerprint([]byte("recipe 3\n")) + ".r3.json is not the file that was signed"},
	{"wrong length: a longer file", func(a *attack) {
		a.host.put(a.copyOf(victim), []byte("recipe 3\n\n"))
	}, ".r3.json is longer than it may be"},
	{"wrong length: a shorter file", func(a *attack) {
		a.host.put(a.copyOf(victim), []byte("recipe 3"))
	}, ".r3.json is not the file that was signed"},
	{"a missing file", func(a *attack) {
		a.host.instead[a.copyOf(victim)] = http.NotFound
	}, ".r3.json is missing"},

	{"arbitrary key: timestamp", func(a *attack) { a.next(); a.stranger(Timestamp) }, "metadata/timestamp.json is not signed by the keys that the root names for timestamp"},
	{"arbitrary key: snapshot", func(a *attack) { a.next(); a.stranger(Snapshot) }, "metadata/3.snapshot.json is not signed by the keys that the root names for snapshot"},
	{"arbitrary key: targets", func(a *attack) { a.nextTargets(); a.stranger(Targets) }, "metadata/3.targets.json is not signed by the keys that the root names for targets"},
	{"arbitrary key: bin", func(a *attack) { a.nextBin(); a.stranger(a.victimRole()) }, "is not signed by the keys that metadata/2.targets.json names for bin-"},
	{"arbitrary key: root", func(a *attack) { a.rotate(Timestamp); a.stranger(Root); a.announce(a.host) }, "metadata/2.root.json is not signed by the keys that the root names for root"},
	{"another role's key: a bin signed with the snapshot's", func(a *attack) {
		a.nextBin()
		a.signers[a.victimRole()] = []Key{a.keys[Snapshot]}
		a.announce(a.host)
	}, "is not signed by the keys that metadata/2.targets.json names for bin-"},
	{"another role's file: a bin for a snapshot", func(a *attack) {
		a.next()
		_, m := a.bin(victim)
		a.announce(a.host)
		a.host.put(Name(Snapshot, 3), resigned(a.repo, a.victimRole(), m))
	}, "metadata/3.snapshot.json is not"},

	{"rollback: timestamp", func(a *attack) { a.host.put(TimestampName, a.before[TimestampName]) }, "metadata/timestamp.json is older than seen: version 1 < 2"},
	{"rollback: snapshot, by the timestamp", func(a *attack) {
		a.timestamp.Signed.Version++
		a.timestamp.Signed.Meta["snapshot.json"].Version = 1
		a.announce(a.host)
	}, "metadata/timestamp.json leads to an older snapshot.json than seen: version 1 < 2"},
	{"rollback: targets, by the snapshot", func(a *attack) {
		a.next()
		a.snapshot.Signed.Meta["targets.json"].Version = 1
		a.announce(a.host)
	}, "metadata/3.snapshot.json leads to an older targets.json than seen: version 1 < 2"},
	{"rollback: bin, by the snapshot", func(a *attack) {
		a.next()
		a.snapshot.Signed.Meta[string(a.victimRole())+".json"].Version = 1
		a.announce(a.host)
	}, "metadata/3.snapshot.json leads to an older bin-"},
	{"rollback: bin, by the host", func(a *attack) {
		a.forget()
		a.host.put(a.binName(victim), a.before[a.old.binName(victim)])
	}, "says that it is version"},
	{"rollback: root", func(a *attack) {
		a.rotate(Timestamp)
		a.next()
		a.announce(a.host)
		a.must(a.reader.read(a.Context(), nil))
		clear(a.host.instead)
	}, "metadata/timestamp.json is not signed by the keys"},

	{"freeze: the same timestamp for ever", func(a *attack) { a.reader.now = a.reader.now.Add(15 * day) }, "metadata/timestamp.json expired"},
	{"expired: root", func(a *attack) {
		a.rotate()
		a.root.Signed.Expires = a.reader.now.Add(-time.Hour)
		a.announce(a.host)
	}, "metadata/2.root.json expired 60 minutes ago"},
	{"expired: timestamp", func(a *attack) {
		a.next()
		a.timestamp.Signed.Expires = a.reader.now.Add(-time.Hour)
		a.announce(a.host)
	}, "metadata/timestamp.json expired 60 minutes ago"},
	{"expired: snapshot", func(a *attack) {
		a.next()
		a.snapshot.Signed.Expires = a.reader.now.Add(-time.Hour)
		a.announce(a.host)
	}, "metadata/3.snapshot.json expired 60 minutes ago"},
	{"expired: targets", func(a *attack) {
		a.targets.Signed.Expires = a.reader.now.Add(-time.Hour)
		a.nextTargets()
		a.announce(a.host)
	}, "metadata/3.targets.json expired 60 minutes ago"},
	{"expired: bin", func(a *attack) {
		_, m := a.bin(victim)
		m.Signed.Expires = a.reader.now.Add(-time.Hour)
		a.nextBin()
		a.announce(a.host)
	}, "json expired 60 minutes ago"},

	{"mix and match: an older snapshot under a new name", func(a *attack) {
		a.forget()
		a.host.put(Name(Snapshot, 2), a.before[Name(Snapshot, 1)])
	}, "metadata/2.snapshot.json is not the file that was signed"},
	{"mix and match: older targets under a new name", func(a *attack) {
		a.forget()
		a.host.put(Name(Targets, 2), a.before[Name(Targets, 1)])
	}, "metadata/2.targets.json is not the file that was signed"},
	{"mix and match: a bin in another's place", func(a *attack) {
		a.forget()
		other, m := a.another()
		a.host.put(a.binName(victim), resigned(a.repo, other, m))
	}, "belongs in bin-"},
	{"mix and match: an empty bin in another's place, to hide a file", func(a *attack) {
		a.forget()
		other, m := a.another()
		clear(m.Signed.Targets)
		a.host.put(a.binName(victim), resigned(a.repo, other, m))
	}, "says that it is version"},
	{"a file in the wrong bin", func(a *attack) {
		_, m := a.bin(victim)
		m.Signed.Targets["v1/recipes/r4.json"] = m.Signed.Targets[victim]
		a.nextBin()
		a.announce(a.host)
	}, `holds "v1/recipes/r4.json", which belongs in bin-`},

	{"endless data: timestamp", func(a *attack) { a.host.instead[TimestampName] = endless }, "metadata/timestamp.json is longer than it may be"},
	{"endless data: root", func(a *attack) { a.host.instead[Name(Root, 2)] = endless }, "metadata/2.root.json is longer than it may be"},
	{"endless data: snapshot", func(a *attack) { a.forget(); a.host.instead[Name(Snapshot, 2)] = endless }, "metadata/2.snapshot.json is longer than it may be"},
	{"endless data: bin", func(a *attack) { a.forget(); a.host.instead[a.binName(victim)] = endless }, "json is longer than it may be"},
	{"endless data: file", func(a *attack) { a.host.instead[a.copyOf(victim)] = endless }, ".r3.json is longer than it may be"},

	{"threshold not met: timestamp", func(a *attack) {
		a.rotate()
		a.twoKeys(Timestamp)
		a.next()
		a.announce(a.host)
	}, "metadata/timestamp.json is not signed by the keys"},
	{"threshold not met: root", func(a *attack) {
		a.rotate()
		a.twoKeys(Root)
		a.announce(a.host)
	}, "metadata/2.root.json is not signed by the keys"},
	{"threshold not met: bin", func(a *attack) {
		a.twoKeys(Targets)
		a.nextBin()
		a.targets.Signed.Delegations.SuccinctRoles.Threshold = 2
		a.targets.Signed.Delegations.SuccinctRoles.KeyIDs = a.root.Signed.Roles[string(Targets)].KeyIDs
		a.targets.Signed.Delegations.Keys = a.root.Signed.Keys
		a.nextTargets()
		a.announce(a.host)
	}, "is not signed by the keys that metadata/3.targets.json names for bin-"},

	{"deep delegation: a bin that delegates", func(a *attack) {
		_, m := a.bin(victim)
		clear(m.Signed.Targets)
		m.Signed.Delegations = a.targets.Signed.Delegations
		a.nextBin()
		a.announce(a.host)
	}, "delegates further, which a hash bin may not"},
	{"foreign delegation: roles by path", func(a *attack) {
		a.targets.Signed.Delegations.SuccinctRoles = nil
		a.targets.Signed.Delegations.Roles = []metadata.DelegatedRole{{Name: "all", KeyIDs: []string{a.keys[Targets].id}, Threshold: 1, Paths: []string{"*"}}}
		a.nextTargets()
		a.announce(a.host)
	}, "metadata/3.targets.json delegates to roles other than hash bins"},
	{"foreign delegation: bins of another name", func(a *attack) {
		a.targets.Signed.Delegations.SuccinctRoles.NamePrefix = "../bin"
		a.nextTargets()
		a.announce(a.host)
	}, `metadata/3.targets.json delegates to hash bins named "../bin"`},
	{"foreign delegation: more bins than a snapshot holds", func(a *attack) {
		a.targets.Signed.Delegations.SuccinctRoles.BitLength = 32
		a.nextTargets()
		a.announce(a.host)
	}, "metadata/3.targets.json delegates to 2^32 hash bins"},
	{"foreign delegation: files beside the bins", func(a *attack) {
		_, m := a.bin(victim)
		a.targets.Signed.Targets = m.Signed.Targets
		a.nextTargets()
		a.announce(a.host)
	}, "metadata/3.targets.json has both targets and a delegation"},

	{"a bin that is missing", func(a *attack) { a.forget(); a.host.instead[a.binName(victim)] = http.NotFound }, "json is missing"},
	{"a bin that is a web page", func(a *attack) { a.forget(); a.host.put(a.binName(victim), []byte("<html>")) }, "json is an HTML page"},
	{"a bin that is spelled otherwise", func(a *attack) {
		a.forget()
		role, m := a.bin(victim)
		a.host.put(a.binName(victim), append(resigned(a.repo, role, m), '\n'))
	}, "is not written the way galley writes metadata"},
	{"a bin that is gone from the snapshot", func(a *attack) {
		a.next()
		delete(a.snapshot.Signed.Meta, string(a.victimRole())+".json")
		a.announce(a.host)
	}, "new snapshot is missing info for bin-"},
	{"a bin that the snapshot never named", func(a *attack) {
		a.forget()
		a.next()
		delete(a.snapshot.Signed.Meta, string(a.victimRole())+".json")
		a.announce(a.host)
	}, "metadata/3.snapshot.json does not name bin-"},
	{"a root that jumps a number", func(a *attack) {
		a.rotate()
		a.root.Signed.Version = 3
		a.host.put(Name(Root, 2), resigned(a.repo, Root, a.root))
	}, "metadata/2.root.json has the wrong version 3"},
}

func TestAttacks(t *testing.T) {
	s := newScene(t)
	for _, tt := range attacks {
		t.Run(tt.name, func(t *testing.T) {
			a := s.attack(t)
			tt.harm(a)
			a.wants(a.reader.read(t.Context(), map[string]string{victim: "recipe 3\n"}), fault.Refused, tt.want)
			if a.stolen {
				return
			}
			// What was refused is not kept: the same reader goes on when it is over.
			clear(a.host.instead)
			a.reader.now = start.Add(46 * day)
			if err := a.reader.read(t.Context(), recipes(20)); err != nil {
				t.Errorf("after the attack: %v", err)
			}
		})
	}
}

// scene is a catalogue that was published twice, with all versions going up, and
// the folder of a reader that has seen the second. No attack changes it.
type scene struct {
	house  *house
	before map[string][]byte // the first publication's files
	old    *repo
	seen   string
}

func newScene(t testing.TB) *scene {
	t.Helper()
	h := newHouse(t)
	h.publish(recipes(20))
	s := &scene{house: h, old: h.repo(), before: map[string][]byte{}}
	files, err := h.public.List(1000)
	h.must(err)
	for _, f := range files {
		s.before[f.Name], err = h.public.Read(f.Name, maxTargets)
		h.must(err)
	}
	h.opts.Now = start.Add(46 * day) // past half of 90 days
	h.publish(recipes(20))
	r := h.reader(h.host())
	h.must(r.read(t.Context(), recipes(20)))
	s.seen = r.dir
	return s
}

func (s *scene) attack(t testing.TB) *attack {
	t.Helper()
	h := *s.house
	h.TB = t
	a := &attack{repo: h.repo(), host: h.host(), old: s.old, before: s.before}
	a.reader = h.reader(a.host)
	h.must(os.CopyFS(a.reader.dir, os.DirFS(s.seen)))
	return a
}

// announce serves what was signed with stolen keys. A reader then remembers the
// part that verified.
func (a *attack) announce(s *host) {
	a.Helper()
	a.stolen = true
	a.repo.announce(s)
}

// forget gives the reader an empty folder.
func (a *attack) forget() { a.reader.dir = a.TempDir() }

func (a *attack) copyOf(name string) string {
	_, m := a.bin(name)
	return HashedName(name, m.Signed.Targets[name].Hashes["sha256"].String())
}

// stranger signs a role with a key that nobody named, and announces it.
func (a *attack) stranger(role Role) {
	a.Helper()
	key, _, err := NewKey()
	a.must(err)
	a.signers[role] = []Key{key}
	a.repo.announce(a.host)
	a.stolen = role != Root && role != Timestamp // what is above it was signed rightly
}

func (a *attack) nextTargets() {
	a.next()
	a.targets.Signed.Version++
	a.snapshot.Signed.Meta["targets.json"].Version++
}

func (a *attack) nextBin() {
	a.next()
	role, m := a.bin(victim)
	m.Signed.Version += 100
	a.snapshot.Signed.Meta[string(role)+".json"].Version += 100
}

// twoKeys makes the root want two signatures for a role, where one is given.
func (a *attack) twoKeys(role Role) {
	a.Helper()
	key, _, err := NewKey()
	a.must(err)
	a.must(a.root.Signed.AddKey(key.metadata, string(role)))
	a.root.Signed.Roles[string(role)].Threshold = 2
}

// another is a bin that holds files, and not the victim.
func (a *attack) another() (Role, *metadata.Metadata[metadata.TargetsType]) {
	for role, m := range a.bins {
		if role != a.victimRole() && len(m.Signed.Targets) > 0 {
			return role, m
		}
	}
	a.Fatal("all files are in one bin")
	return "", nil
}

// endless answers until nobody listens.
func endless(rw http.ResponseWriter, req *http.Request) {
	chunk := bytes.Repeat([]byte(" "), 64<<10)
	for req.Context().Err() == nil {
		if _, err := rw.Write(chunk); err != nil {
			return
		}
	}
}

// TestSlowAnswers retrieves slowly: each file in turn never ends, and the reader
// gives up at its deadline with what cannot be reached, not with a refusal.
func TestSlowAnswers(t *testing.T) {
	s := newScene(t)
	for _, slow := range []func(a *attack) string{
		func(*attack) string { return TimestampName },
		func(*attack) string { return Name(Root, 2) },
		func(a *attack) string { a.forget(); return Name(Snapshot, 2) },
		func(a *attack) string { a.forget(); return a.binName(victim) },
		func(a *attack) string { return a.copyOf(victim) },
	} {
		a := s.attack(t)
		name := slow(a)
		t.Run(name, func(t *testing.T) {
			a.host.instead[name] = func(rw http.ResponseWriter, req *http.Request) {
				_, _ = rw.Write([]byte("{"))
				_ = http.NewResponseController(rw).Flush()
				<-req.Context().Done()
			}
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			a.wants(a.reader.read(ctx, map[string]string{victim: "recipe 3\n"}), fault.Unavailable, "reading "+name)
		})
	}
}

// TestFastForwardRecovery: a thief of the online keys signed numbers far ahead,
// and a reader saw them. New keys by a new root, and the publisher's own numbers
// count again (TUF 1.0.31, 5.3.11).
func TestFastForwardRecovery(t *testing.T) {
	const far = 1_000_000
	tests := map[string]func(a *attack){
		"timestamp": func(a *attack) { a.timestamp.Signed.Version = far },
		"snapshot": func(a *attack) {
			a.snapshot.Signed.Version = far
			a.timestamp.Signed.Version++
			a.timestamp.Signed.Meta["snapshot.json"].Version = far
		},
		"targets": func(a *attack) {
			a.next()
			a.targets.Signed.Version = far
			a.snapshot.Signed.Meta["targets.json"].Version = far
		},
		"bin": func(a *attack) {
			a.next()
			role, m := a.bin(victim)
			m.Signed.Version = far
			a.snapshot.Signed.Meta[string(role)+".json"].Version = far
		},
	}
	s := newScene(t)
	for name, ahead := range tests {
		t.Run(name, func(t *testing.T) {
			a := s.attack(t)
			ahead(a)
			a.announce(a.host)
			want := map[string]string{victim: "recipe 3\n"}
			a.must(a.reader.read(t.Context(), want))
			clear(a.host.instead)
			a.wants(a.reader.read(t.Context(), want), fault.Refused, "older")

			a.repo = a.house.repo()
			a.rotate(Timestamp, Snapshot)
			a.next()
			a.announce(a.host)
			a.must(a.reader.read(t.Context(), want))
		})
	}
}
