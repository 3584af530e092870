package trust

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galley-coop/galley/internal/fault"
)

// TestRequests counts what a reader asks for, file by file.
func TestRequests(t *testing.T) {
	h := newHouse(t)
	contents := recipes(40)
	h.publish(contents)
	s := h.host()
	r := h.reader(s)
	asks := func(what string, want ...string) {
		t.Helper()
		h.must(r.read(t.Context(), map[string]string{victim: contents[victim]}))
		got, _ := s.since()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", what, diff)
		}
	}
	copyOf := func() string { return HashedName(victim, Fingerprint([]byte(contents[victim]))) }
	bin := func() string { return h.repo().binName(victim) }
	asks("cold", Name(Root, 2), TimestampName, Name(Snapshot, 1), Name(Targets, 1), bin(), copyOf())
	asks("unchanged", Name(Root, 2), TimestampName, copyOf())
	h.opts.Now = start.Add(day)
	h.publish(contents)
	asks("a new timestamp", Name(Root, 2), TimestampName, copyOf())
	contents[victim] = "changed"
	h.publish(contents)
	asks("one file changed", Name(Root, 2), TimestampName, Name(Snapshot, 2), bin(), copyOf())
	contents["v1/recipes/r5.json"] = "changed"
	h.publish(contents)
	if h.repo().binName("v1/recipes/r5.json") == bin() {
		t.Fatal("the two files are in one bin")
	}
	asks("another file changed", Name(Root, 2), TimestampName, Name(Snapshot, 3), copyOf())
}

// TestStateIsOneMoment reads the bins of the snapshot that was refreshed to, not
// of one that was published since.
func TestStateIsOneMoment(t *testing.T) {
	h := newHouse(t)
	h.publish(recipes(20))
	r := h.reader(folder{h.public})
	state, err := r.refresh(t.Context())
	h.must(err)
	later := recipes(20)
	later[victim] = "changed"
	h.publish(later)
	got, err := state.Fetch(t.Context(), r.from, victim)
	if err != nil || string(got) != "recipe 3\n" {
		t.Errorf("fetched %q, %v", got, err)
	}
}

func TestManyAskAtOnce(t *testing.T) {
	h := newHouse(t)
	contents := recipes(30)
	h.publish(contents)
	s := h.host()
	r := h.reader(s)
	state, err := r.refresh(t.Context())
	h.must(err)
	s.since()
	var all sync.WaitGroup
	for name, content := range contents {
		for range 4 {
			all.Go(func() {
				if got, err := state.Fetch(t.Context(), s, name); err != nil || string(got) != content {
					t.Errorf("%s: %q, %v", name, got, err)
				}
				state.SetDir(r.dir)
			})
		}
	}
	all.Wait()
	requests, _ := s.since()
	bins := 0
	slices.Sort(requests)
	for i, name := range requests {
		if strings.HasPrefix(name, Folder) {
			bins++
			if i > 0 && requests[i-1] == name {
				t.Errorf("%s was asked for twice", name)
			}
		}
	}
	if bins == 0 || bins > 32 {
		t.Errorf("%d bins were asked for", bins)
	}
}

// TestWaitingEndsWithItsContext has one caller wait for another's bin.
func TestWaitingEndsWithItsContext(t *testing.T) {
	h := newHouse(t)
	h.publish(recipes(20))
	s := h.host()
	asked, goOn := make(chan struct{}), make(chan struct{})
	state, err := h.reader(s).refresh(t.Context())
	h.must(err)
	s.instead[h.repo().binName(victim)] = func(rw http.ResponseWriter, req *http.Request) {
		close(asked)
		<-goOn
		http.NotFound(rw, req)
	}
	first := make(chan error)
	go func() {
		_, _, err := state.Target(t.Context(), s, victim)
		first <- err
	}()
	<-asked
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = state.Target(cancelled, s, victim)
	h.wants(err, fault.Interrupted, "waiting for bin-")
	late, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, _, err = state.Target(late, s, victim)
	h.wants(err, fault.Unavailable, "waiting for bin-")
	close(goOn)
	h.wants(<-first, fault.Refused, "is missing")
	s.mu.Lock()
	clear(s.instead)
	s.mu.Unlock()
	if _, ok, err := state.Target(t.Context(), s, victim); !ok || err != nil {
		t.Errorf("what failed is not tried again: %v, %v", ok, err)
	}
}

// TestFolderOfBins: the folder is a cache, and may move, go, or hold anything.
func TestFolderOfBins(t *testing.T) {
	h := newHouse(t)
	contents := recipes(20)
	h.publish(contents)
	bin := string(h.repo().victimRole()) + ".json"
	other := ""
	for role := range h.repo().bins {
		if string(role)+".json" != bin {
			other = string(role) + ".json"
		}
	}
	harms := map[string]func(t *testing.T, r *reader, state *State){
		"as it was": func(*testing.T, *reader, *State) {},
		"moved": func(t *testing.T, r *reader, state *State) {
			to := filepath.Join(t.TempDir(), "to")
			h.must(os.Rename(r.dir, to))
			r.dir = to
			state.SetDir(to)
		},
		"gone":    func(_ *testing.T, r *reader, _ *State) { h.must(os.RemoveAll(r.dir)) },
		"without": func(_ *testing.T, _ *reader, state *State) { state.SetDir("") },
		"garbage in it": func(_ *testing.T, r *reader, _ *State) {
			h.must(os.WriteFile(filepath.Join(r.dir, bin), []byte("{"), 0o600))
		},
		"a folder in its place": func(_ *testing.T, r *reader, _ *State) { h.must(os.Mkdir(filepath.Join(r.dir, bin), 0o700)) },
		"another bin in its place": func(_ *testing.T, r *reader, _ *State) {
			data, err := h.public.Read(Name(roleOf(other), h.numbers()[other]), maxBin)
			h.must(err)
			h.must(os.WriteFile(filepath.Join(r.dir, bin), data, 0o600))
		},
	}
	for name, harm := range harms {
		t.Run(name, func(t *testing.T) {
			s := h.host()
			r := h.reader(s)
			state, err := r.refresh(t.Context())
			h.must(err)
			harm(t, r, state)
			got, err := state.Fetch(t.Context(), s, victim)
			if err != nil || string(got) != contents[victim] {
				t.Errorf("fetched %q, %v", got, err)
			}
			info, err := os.Stat(filepath.Join(r.dir, bin))
			kept := err == nil && info.Mode() == 0o600
			if want := name != "gone" && name != "without" && name != "a folder in its place"; kept != want {
				t.Errorf("the bin is kept: %v, %v", kept, err)
			}
			left, _ := filepath.Glob(filepath.Join(r.dir, ".bin-*"))
			if len(left) > 0 {
				t.Errorf("%q were left", left)
			}
		})
	}
}

func TestTargetThatIsNotThere(t *testing.T) {
	h := newHouse(t)
	h.publish(recipes(3))
	r := h.reader(folder{h.public})
	state, err := r.refresh(t.Context())
	h.must(err)
	if _, ok, err := state.Target(t.Context(), r.from, "v1/recipes/none.json"); ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	if _, err := state.Fetch(t.Context(), r.from, "v1/recipes/none.json"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, expected that it does not exist", err)
	}
}
