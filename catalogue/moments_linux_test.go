package catalogue

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
)

// recordMoves is the files that are renamed into their places in a folder, in
// order, as the kernel tells it.
func recordMoves(t testing.TB, folder string, run func()) []string {
	t.Helper()
	fd, err := syscall.InotifyInit1(syscall.IN_NONBLOCK)
	must(t, err)
	defer syscall.Close(fd)
	watched := map[int32]string{}
	must(t, fs.WalkDir(os.DirFS(folder), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() || name == disk.Scratch {
			return err
		}
		watch, err := syscall.InotifyAddWatch(fd, filepath.Join(folder, name), syscall.IN_MOVED_TO)
		watched[int32(watch)] = name
		return err
	}))
	run()
	var order []string
	for buffer := make([]byte, 1<<16); ; {
		n, err := syscall.Read(fd, buffer)
		if errors.Is(err, syscall.EAGAIN) {
			return order
		}
		must(t, err)
		for events := buffer[:n]; len(events) > 0; {
			watch := int32(binary.NativeEndian.Uint32(events))
			end := syscall.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(events[12:]))
			name, _, _ := bytes.Cut(events[syscall.SizeofInotifyEvent:end], []byte{0})
			order = append(order, path.Join(watched[watch], string(name)))
			events = events[end:]
		}
	}
}

// everyMoment stands in for kills between any two writes: it makes a folder with
// the first n of the changes, for each n, and wants it to verify, and a client
// that knew the state before to read it. It gives the files that were stale.
func (s *signing) everyMoment(before, after map[string]string, order []string) []string {
	s.t.Helper()
	stale := map[string]bool{}
	folder, files := s.path("moment"), maps.Clone(before)
	s.trust = s.t.TempDir()
	for n := -1; n < len(order); n++ {
		if n >= 0 {
			files[order[n]] = after[order[n]]
		}
		writeFiles(s.t, folder, files)
		for _, location := range []string{folder, serve(s.t, folder)} {
			v := s.verify(location, s.run.Now)
			if len(v.Problems) > 0 {
				s.t.Errorf("%s after %d of %d writes, %q:\n%s", location, n+1, len(order), order[:n+1], problems(v))
			}
			for _, name := range v.Stale {
				stale[name] = true
			}
		}
		run := s.run
		s.run.Public = folder
		s.follows()
		s.run = run
	}
	return slices.Sorted(maps.Keys(stale))
}

// TestEveryMoment is about a sign that changes recipes and brings a new one, and
// about its publication.
func TestEveryMoment(t *testing.T) {
	s := newSigning(t)
	s.change()
	must(t, s.run.run(t))
	target := s.path("www")
	publish := func() {
		_, err := Publish(t.Context(), PublishOptions{Public: s.run.Public, Target: target, Now: s.run.Now})
		must(t, err)
	}
	publish()
	before := snapshotOf(t, s.run.Public)
	s.recipes++
	s.change()
	// A new recipe's file may be there before the catalogue that has it.
	want := []string{"recipes.json", "v1/index.json", "v1/recipes/proxy-1.json", "v1/recipes/web.json"}
	for _, tt := range []struct {
		folder string
		run    func()
	}{{s.run.Public, func() { must(t, s.run.run(t)) }}, {target, publish}} {
		t.Run(filepath.Base(tt.folder), func(t *testing.T) {
			order := recordMoves(t, tt.folder, tt.run)
			if len(order) < 10 {
				t.Fatalf("%d writes: %q", len(order), order)
			}
			if diff := cmp.Diff(want, s.everyMoment(before, snapshotOf(t, tt.folder), order)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestMomentsOfARotation is docs/keys.md's word for what readers see when a role
// has another key: one moment in which they refuse, and no more.
func TestMomentsOfARotation(t *testing.T) {
	for role, file := range map[trust.Role]string{
		trust.Timestamp: trust.TimestampName, trust.Snapshot: trust.Name(trust.Snapshot, 1), trust.Targets: trust.Name(trust.Targets, 1),
	} {
		t.Run(string(role), func(t *testing.T) {
			w := rotated(t, role)
			public, now := w.path("public"), start.Add(time.Hour)
			files := snapshotOf(t, public)
			order := recordMoves(t, public, func() { w.sign(now) })
			after := snapshotOf(t, public)
			at := slices.Index(order, trust.Name(trust.Root, 2))
			if at < 0 || order[at+1] != trust.TimestampName {
				t.Fatalf("the timestamp does not follow the root: %q", order)
			}
			folder, operator := w.path("moment"), w.path("operator")
			for n := -1; n < len(order); n++ {
				if n >= 0 {
					files[order[n]] = after[order[n]]
				}
				writeFiles(t, folder, files)
				v := w.verify(folder, now)
				_, err := w.open(folder, ClientOptions{Now: now, StateDir: operator})
				if n == at {
					wants(t, err, fault.Refused, file)
					if len(v.Problems) != 1 || v.Problems[0].File != file {
						t.Errorf("between root and timestamp:\n%s", problems(v))
					}
				} else if err != nil || len(v.Problems) > 0 {
					t.Errorf("after %d of %d writes: %v\n%s", n+1, len(order), err, problems(v))
				}
			}
		})
	}
}

// writeFiles makes a folder of these files and no others.
func writeFiles(t testing.TB, folder string, files map[string]string) {
	t.Helper()
	must(t, os.RemoveAll(folder))
	for name, content := range files {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o755))
		must(t, os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644))
	}
}
