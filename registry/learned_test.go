package registry

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/galley-coop/galley/internal/localregistry"
)

// remembering takes answers of the last hour out of the folder.
func remembering(dir string) func(*Options) {
	return func(o *Options) { o.CacheDir, o.Learned = dir, time.Hour }
}

func TestLearnedAnswersCostNoRequest(t *testing.T) {
	reg := localregistry.StartT(t, localregistry.WithBearer("", ""))
	index := reg.PushT(t, "web:1", localregistry.TinyT(t, "web", "linux/amd64", "linux/arm64"))
	reg.PushT(t, "plain:1", localregistry.TinyT(t, "plain"))
	refs := []string{reg.Addr + "/web:1", reg.Addr + "/plain:1", reg.Addr + "/web@" + index}
	dir := t.TempDir()
	first := resolverFor(t, remembering(dir)).ResolveAll(t.Context(), refs, nil)
	reg.ResetCount()
	r := resolverFor(t, remembering(dir))
	if again := r.ResolveAll(t.Context(), refs, nil); !reflect.DeepEqual(again, first) {
		t.Errorf("learned: %+v, want %+v", again, first)
	}
	if n := len(reg.Requests()); n != 0 || r.Stats().Learned != 3 {
		t.Errorf("%d requests, %+v, want none and 3 learned", n, r.Stats())
	}
	asking := resolverFor(t, func(o *Options) { o.CacheDir = dir })
	asking.ResolveAll(t.Context(), refs, nil)
	if s := asking.Stats(); s.Heads != 3 || s.Learned != 0 {
		t.Errorf("%+v, want a HEAD for each when nothing is to be taken as learned", s)
	}
}

func TestRunThatWasStoppedGoesOn(t *testing.T) {
	reg := localregistry.StartT(t)
	var refs []string
	for i := range 20 {
		name := fmt.Sprintf("web%d:1", i)
		reg.PushT(t, name, localregistry.TinyT(t, name))
		refs = append(refs, reg.Addr+"/"+name)
	}
	dir := t.TempDir()
	runs := 0
	for failed := len(refs); failed > 0; runs++ {
		if runs > 10 {
			t.Fatalf("after %d runs %d references are still missing", runs, failed)
		}
		r := resolverFor(t, func(o *Options) { remembering(dir)(o); o.MaxRequests = 16 })
		failed = 0
		for _, res := range r.ResolveAll(t.Context(), refs, nil) {
			if res.Err != nil {
				failed++
			}
		}
	}
	// A ping each run, and for each reference one HEAD, whatever came in between,
	// and two GETs.
	if got := reg.Count("HEAD"); got != 20 {
		t.Errorf("%d HEADs in %d runs for 20 references", got, runs)
	}
}

func TestWhatIsNotTakenAsLearned(t *testing.T) {
	reg := localregistry.StartT(t)
	old := reg.PushT(t, "web:1", localregistry.TinyT(t, "old"))
	ref := reg.Addr + "/web:1"
	dir := t.TempDir()
	resolve(t, resolverFor(t, remembering(dir)), ref)
	now := reg.PushT(t, "web:1", localregistry.TinyT(t, "new"))
	journal := func(a answer) func(*testing.T, *Options) {
		return func(t *testing.T, o *Options) {
			if err := os.WriteFile(filepath.Join(o.CacheDir, learnedName), linesOf([]answer{a}), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := map[string]struct {
		prepare func(*testing.T, *Options)
		want    string
	}{
		"a young answer is": {func(*testing.T, *Options) {}, old},
		"an old answer":     {journal(answer{ref, old, time.Now().Add(-2 * time.Hour).Unix()}), now},
		"one of the future": {journal(answer{ref, old, time.Now().Add(time.Hour).Unix()}), now},
		"another digest":    {journal(answer{ref, digestOfNothing, time.Now().Unix()}), now},
		"no digest at all":  {journal(answer{ref, "sha256:12", time.Now().Unix()}), now},
		"one without facts is, and they are fetched": {func(t *testing.T, o *Options) {
			if err := os.RemoveAll(filepath.Join(o.CacheDir, "sha256")); err != nil {
				t.Fatal(err)
			}
		}, old},
		"an answer of another host": {func(t *testing.T, o *Options) {
			o.Rewrites = map[string]string{reg.Addr + "/web": reg.Addr + "/mirror/web"}
			reg.PushT(t, "mirror/web:1", localregistry.TinyT(t, "new"))
		}, now},
		"not wanted": {func(_ *testing.T, o *Options) { o.Learned = 0 }, now},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			opts := Options{Keychain: anonymous{}, CacheDir: t.TempDir(), Learned: time.Hour}
			if err := os.CopyFS(opts.CacheDir, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			tt.prepare(t, &opts)
			r := New(opts)
			defer r.Close()
			if got := resolve(t, r, ref); got.Digest != tt.want {
				t.Errorf("got %s, want %s", got.Digest, tt.want)
			}
		})
	}
}

func TestForget(t *testing.T) {
	reg := localregistry.StartT(t)
	reg.PushT(t, "web:1", localregistry.TinyT(t, "web"))
	ref := reg.Addr + "/web:1"
	dir := t.TempDir()
	r := resolverFor(t, remembering(dir))
	resolve(t, r, ref)
	r.Forget(ref, "Not A Reference", "never.example.org/asked:1")
	for _, r := range []*Resolver{r, resolverFor(t, remembering(dir))} {
		reg.ResetCount()
		resolve(t, r, ref)
		if got := reg.Count("HEAD"); got != 1 {
			t.Errorf("%d HEADs after forgetting, want 1", got)
		}
		r.Forget(ref)
	}
}

func TestTornLastLineIsIgnored(t *testing.T) {
	dir := t.TempDir()
	digest := "sha256:" + strings.Repeat("ab", 32)
	first := learned{dir: dir}
	if err := first.put(answer{"a:1", digest, 1}, answer{"b:1", digest, 1}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, learnedName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := 1; cut <= len(whole); cut++ {
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		torn := learned{dir: dir}
		if err := torn.put(answer{"c:1", digest, 1}); err != nil {
			t.Fatal(err)
		}
		after := learned{dir: dir}
		_, _, a := after.get("a:1")
		_, _, c := after.get("c:1")
		if end := bytes.IndexByte(whole, '\n'); a != (cut >= end) || !c {
			t.Fatalf("cut at %d of %d: the first answer %t, the one after the cut %t", cut, len(whole), a, c)
		}
	}
}

func TestManyWritersOfOneJournal(t *testing.T) {
	dir := t.TempDir()
	digest := "sha256:" + strings.Repeat("ab", 32)
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			mine := learned{dir: dir} // as another process has it
			for i := range 200 {
				if err := mine.put(answer{fmt.Sprintf("w%d:%d", w, i), digest, 1}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	all := learned{dir: dir}
	all.load()
	if len(all.known) != 8*200 {
		t.Errorf("%d answers are known, want %d", len(all.known), 8*200)
	}
}

func TestLargeJournalIsCompacted(t *testing.T) {
	dir := t.TempDir()
	digest := "sha256:" + strings.Repeat("ab", 32)
	l := learned{dir: dir}
	for i := range 1000 {
		if err := l.put(answer{fmt.Sprintf("web:%d", i%10), digest, int64(i)}); err != nil {
			t.Fatal(err)
		}
	}
	before := sizeOf(t, l.path())
	opened := learned{dir: dir, large: 64 << 10}
	if _, _, ok := opened.get("web:3"); !ok || sizeOf(t, l.path()) > before/50 {
		t.Errorf("known %t, %d bytes of %d are left, want ten lines", ok, sizeOf(t, l.path()), before)
	}
	if err := l.put(answer{"web:new", digest, 1}); err != nil { // opened before
		t.Fatal(err)
	}
	again := learned{dir: dir}
	if _, _, ok := again.get("web:new"); !ok || again.known["web:3"].At != 993 {
		t.Errorf("known %t, %+v", ok, again.known["web:3"])
	}
}

func sizeOf(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func FuzzJournal(f *testing.F) {
	f.Add([]byte(`{"ref":"a:1","digest":"` + digestOfNothing + `","at":1}` + "\n{\"ref\""))
	f.Add([]byte("\n\n\x00" + strings.Repeat("x", maxLine+1) + "\n{}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		l := learned{known: map[string]answer{}}
		l.read(bytes.NewReader(raw))
		for ref, a := range l.known {
			if ref == "" || ref != a.Ref || len(a.Digest) != len(digestOfNothing) {
				t.Errorf("read %+v as %q", a, ref)
			}
		}
	})
}
