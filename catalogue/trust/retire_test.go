package trust

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galley-coop/galley/internal/fault"
)

// age makes the files that stand look as old as the publisher's clock.
func (h *house) age() {
	h.Helper()
	for _, name := range h.files() {
		path := filepath.Join(h.public.Name(), name)
		info, err := os.Stat(path)
		h.must(err)
		if info.ModTime().After(h.opts.Now) {
			h.must(os.Chtimes(path, h.opts.Now, h.opts.Now))
		}
	}
}

func (h *house) files() []string {
	h.Helper()
	listed, err := h.public.List(10_000)
	h.must(err)
	var names []string
	for _, f := range listed {
		names = append(names, f.Name)
	}
	return names
}

// threeDays publishes a change each day, and what one day named alone goes with it.
func threeDays(t testing.TB) *house {
	h := newHouse(t)
	contents := recipes(12)
	for d, change := range []string{"recipe 3\n", "second", "third"} {
		h.opts.Now = start.Add(time.Duration(d) * day)
		contents[victim] = change
		h.publish(contents)
		h.age()
	}
	return h
}

func TestSuperseded(t *testing.T) {
	h := threeDays(t)
	bins := h.numbers()[string(h.repo().victimRole())+".json"] // 18, 17 and one of 1 to 16
	first := Name(h.repo().victimRole(), h.firstNumber())
	copyOf := func(content string) string { return HashedName(victim, Fingerprint([]byte(content))) }
	now := start.Add(2 * day)
	tests := []struct {
		name  string
		grace time.Duration
		want  []string
	}{
		{"a week", 7 * day, nil},
		{"until the second day", day + time.Hour, nil},
		{"what ceased on the second day", day, []string{copyOf("recipe 3\n"), first, Name(Snapshot, 1)}},
		{"everything", 0, []string{
			copyOf("recipe 3\n"), copyOf("second"), first, Name(h.repo().victimRole(), bins-1), Name(Snapshot, 1), Name(Snapshot, 2),
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Superseded(h.public, now, tt.grace)
			h.must(err)
			got, want := slices.Sorted(slices.Values(r.Remove)), slices.Sorted(slices.Values(tt.want))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			for _, name := range r.Remove {
				if _, kept := r.Kept[name]; kept {
					t.Errorf("%s is kept and removed", name)
				}
			}
			if _, kept := r.Kept[copyOf("third")]; !kept {
				t.Error("a current file is not kept")
			}
		})
	}
}

// firstNumber is what the victim's bin had in the first snapshot.
func (h *house) firstNumber() int64 {
	h.Helper()
	data, err := h.public.Read(Name(Snapshot, 1), maxSnapshot)
	h.must(err)
	doc, err := Parse(Snapshot, data)
	h.must(err)
	return doc.Files[string(h.repo().victimRole())+".json"].Version
}

// TestRetiredInAnyOrder removes file by file: the rest is told again, readers and
// the next publication miss nothing.
func TestRetiredInAnyOrder(t *testing.T) {
	h := threeDays(t)
	contents := recipes(12)
	contents[victim] = "third"
	r, err := Superseded(h.public, h.opts.Now, 0)
	h.must(err)
	for i, name := range r.Remove {
		h.must(h.public.Remove(name))
		rest, err := Superseded(h.public, h.opts.Now, 0)
		h.must(err)
		if diff := cmp.Diff(r.Remove[i+1:], rest.Remove, equalEmpty); diff != "" {
			t.Fatalf("after %s:\n%s", name, diff)
		}
		h.must(h.reader(folder{h.public}).read(t.Context(), contents))
	}
	if p := h.publish(contents); p.SignedBins != 0 {
		t.Errorf("%d bins were signed", p.SignedBins)
	}
}

var equalEmpty = cmp.Transformer("empty", func(s []string) string { return strings.Join(s, "\n") })

func TestSupersededLeavesWhatAKilledRunLeft(t *testing.T) {
	h := newHouse(t)
	h.publish(recipes(12))
	changed := recipes(12)
	changed[victim] = "changed"
	h.kill(h.prepare(changed))
	far := time.Now().Add(1000 * day)
	r, err := Superseded(h.public, far, 0)
	h.must(err)
	if len(r.Remove) > 0 {
		t.Errorf("removes %q", r.Remove)
	}
	h.publish(changed)
	r, err = Superseded(h.public, far, 0)
	h.must(err)
	if len(r.Remove) != 4 { // a copy, its first bin, the bin that was left, the first snapshot
		t.Errorf("removes %q", r.Remove)
	}
}

func TestSupersededWithoutAPublication(t *testing.T) {
	h := newHouse(t)
	r, err := Superseded(h.public, start, 0)
	if err != nil || len(r.Remove) > 0 {
		t.Errorf("%+v, %v", r, err)
	}
	h.kill(h.prepare(recipes(3)))
	if r, err = Superseded(h.public, start, 0); err != nil || len(r.Remove) > 0 {
		t.Errorf("before the first timestamp: %+v, %v", r, err)
	}
}

// TestSupersededInDoubt: what must stay and cannot be read keeps everything, and a
// clock that is behind does.
func TestSupersededInDoubt(t *testing.T) {
	h := threeDays(t)
	r, err := Superseded(h.public, start.AddDate(-1, 0, 0), 0)
	if err != nil || len(r.Remove) > 0 {
		t.Errorf("a year behind: %+v, %v", r, err)
	}
	for _, name := range []string{TimestampName, Name(Snapshot, 3), Name(Targets, 1), h.repo().binName(victim)} {
		good, err := h.public.Read(name, maxTargets)
		h.must(err)
		h.must(h.public.Write(name, []byte("{}")))
		_, err = Superseded(h.public, h.opts.Now, 0)
		h.wants(err, fault.Refused, name)
		h.must(h.public.Write(name, good))
	}
	h.must(errors.Join(h.public.Write(Name(Snapshot, 1), []byte("{}")), os.Chtimes(filepath.Join(h.public.Name(), Name(Snapshot, 1)), start, start)))
	if r, err := Superseded(h.public, h.opts.Now, 0); err != nil || !slices.Contains(r.Remove, Name(Snapshot, 1)) {
		t.Errorf("a broken old snapshot: %+v, %v", r, err)
	}
}

// TestSupersededAfterMoreBins: what targets.json delegated to before goes too.
func TestSupersededAfterMoreBins(t *testing.T) {
	h := newHouse(t)
	h.publish(recipes(1))
	h.publish(recipes(40))
	r, err := Superseded(h.public, time.Now().Add(day), time.Hour)
	h.must(err)
	want := []string{Name("bin-0", 1), Name("bin-1", 2), Name("bin-2", 3), Name("bin-3", 4), Name(Targets, 1), Name(Snapshot, 1)}
	if diff := cmp.Diff(want, r.Remove); diff != "" {
		t.Error(diff)
	}
	for _, name := range r.Remove {
		h.must(h.public.Remove(name))
	}
	h.publish(recipes(40))
	h.must(h.reader(folder{h.public}).read(t.Context(), recipes(40)))
}
