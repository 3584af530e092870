package source

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func refsOf(t testing.TB, location string) map[string]PeeledTag {
	t.Helper()
	tags, err := tagsOf(t.Context(), location, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return tags
}

// Every way in which git lays refs out must list as git itself lists them.
func TestRefsOfLocalLayouts(t *testing.T) {
	r := newRepo(t)
	commit := r.commit("first")
	r.annotate("1.0.0+1.0")
	r.annotate("dir/nested", "1.0.0+1.0")
	r.git("tag", "light")
	tag := func(name string) string { return r.git("rev-parse", "refs/tags/"+name) }
	loose := map[string]PeeledTag{
		"1.0.0+1.0":  {Tag: tag("1.0.0+1.0")},
		"dir/nested": {Tag: tag("dir/nested")},
		"light":      {Tag: commit},
	}
	packed := map[string]PeeledTag{
		"1.0.0+1.0":  {Tag: tag("1.0.0+1.0"), Target: commit},
		"dir/nested": {Tag: tag("dir/nested"), Target: commit},
		"light":      {Target: commit},
	}
	check := func(what, location string, want map[string]PeeledTag) {
		t.Helper()
		if diff := cmp.Diff(want, refsOf(t, location)); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	check("loose", r.dir, loose)
	linked := filepath.Join(t.TempDir(), "linked")
	r.git("worktree", "add", "--quiet", "--detach", linked)
	check("loose, linked work tree", linked, loose)

	r.git("pack-refs", "--all")
	check("packed", r.dir, packed)
	check("packed, linked work tree", linked, packed)
	check("packed, file URL", "file://"+r.dir, packed)
	bare := filepath.Join(t.TempDir(), "bare.git")
	r.git("clone", "--quiet", "--mirror", r.dir, bare)
	check("bare mirror", bare, packed)
	outer := newRepo(t)
	outer.git("submodule", "--quiet", "add", r.dir, "module")
	check("submodule", filepath.Join(outer.dir, "module"), packed)

	second := r.commit("second")
	r.annotate("1.0.0+1.0", "--force")
	r.git("tag", "--force", "light")
	packed["1.0.0+1.0"], packed["light"] = PeeledTag{Tag: tag("1.0.0+1.0")}, PeeledTag{Tag: second}
	check("loose over packed", r.dir, packed)
	r.git("tag", "--delete", "dir/nested")
	delete(packed, "dir/nested")
	check("removed", r.dir, packed)

	r.git("symbolic-ref", "refs/tags/alias", "refs/tags/light")
	packed["alias"] = PeeledTag{Tag: second}
	for name, tag := range packed { // go-git reads it, and looks at no object
		if tag.Tag == "" {
			tag.Tag = tag.Target
		}
		packed[name] = PeeledTag{Tag: tag.Tag}
	}
	check("symbolic", r.dir, packed)
}

// What an old git packed says nothing of what tags lead to.
func TestRefsOfPackedFilesWithoutPeeledTags(t *testing.T) {
	r := newRepo(t)
	commit := r.commit("first")
	r.annotate("1.0.0+1.0")
	r.git("pack-refs", "--all")
	tag := r.git("rev-parse", "1.0.0+1.0")
	file := filepath.Join(r.dir, ".git", packedRefs)
	for content, want := range map[string]PeeledTag{
		tag + " refs/tags/1.0.0+1.0\n": {Tag: tag},
		"# pack-refs with: peeled \n" + tag + " refs/tags/1.0.0+1.0\n^" + commit + "\n":                            {Tag: tag, Target: commit},
		"# pack-refs with: sorted \n" + tag + " refs/tags/1.0.0+1.0\n^" + commit + "\n":                            {Tag: tag, Target: commit},
		"# pack-refs with: fully-peeled peeled\n" + commit + " refs/tags/1.0.0+1.0\n":                              {Target: commit},
		"# pack-refs with: peeled \n" + commit + " refs/heads/x\n^" + tag + "\n" + commit + " refs/tags/1.0.0+1.0": {Target: commit},
	} {
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := refsOf(t, r.dir); len(got) != 1 || got["1.0.0+1.0"] != want {
			t.Errorf("%q lists as %v, want %v", content, got, want)
		}
	}
}

func TestRefsOfWhatIsNoRepository(t *testing.T) {
	r := newRepo(t)
	r.commit("first")
	broken := func(file, content string) string {
		dir := filepath.Join(t.TempDir(), "clone")
		r.git("clone", "--quiet", r.dir, dir)
		if err := os.WriteFile(filepath.Join(dir, ".git", filepath.FromSlash(file)), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	future := broken("config", "[core]\n\trepositoryformatversion = 1\n[extensions]\n\trefstorage = reftable\n")
	for location, want := range map[string]string{
		t.TempDir():                           "not a git repository",
		filepath.Join(t.TempDir(), "nowhere"): "not exist",
		future:                                "extension",
		broken("packed-refs", "garbage\n"):    "packed",
	} {
		_, err := tagsOf(t.Context(), location, Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error = %v, want one with %q", location, err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tagsOf(ctx, r.dir, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want canceled", err)
	}
}

func TestListingKnowsTheDefaultBranch(t *testing.T) {
	r := newRepo(t)
	r.commit("first")
	r.git("checkout", "--quiet", "-b", "trunk")
	clone := filepath.Join(t.TempDir(), "clone")
	r.git("clone", "--quiet", r.dir, clone)
	repo{t, clone}.git("checkout", "--quiet", "-b", "work")
	detached := filepath.Join(t.TempDir(), "detached.git")
	r.git("clone", "--quiet", "--bare", r.dir, detached)
	repo{t, detached}.git("update-ref", "--no-deref", "HEAD", r.git("rev-parse", "HEAD"))
	empty := newRepo(t)
	base := serve(t, "/", nil)
	for dir, want := range map[string]string{
		filepath.Join(r.dir, ".git"): "trunk", filepath.Join(clone, ".git"): "trunk", detached: "main", filepath.Join(empty.dir, ".git"): "",
	} {
		for _, location := range []string{dir, base + dir} {
			if strings.HasPrefix(location, base) && strings.HasPrefix(dir, clone) {
				continue // a remote says its HEAD, not where it was cloned from
			}
			l, err := List(t.Context(), location, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if l.DefaultBranch != want {
				t.Errorf("%s: default branch = %q, want %q", location, l.DefaultBranch, want)
			}
		}
	}
}

// methods lists what a server was asked.
func methods(asked *[]string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			*asked = append(*asked, req.Method)
			next.ServeHTTP(w, req)
		})
	}
}

func TestListingThatIsOpenedIsNotAskedForTwice(t *testing.T) {
	var asked []string
	r, url := served(t, methods(&asked))
	r.annotate("1.0.0+1.0")
	cache := Options{CacheDir: t.TempDir()}
	versions := func() string {
		t.Helper()
		l, err := List(t.Context(), url, cache)
		if err != nil {
			t.Fatal(err)
		}
		opened, err := l.Open(t.Context(), cache)
		if err != nil {
			t.Fatal(err)
		}
		list := versionsOf(t, opened)
		for _, v := range list {
			if v.Err != nil || l.Tags[v.Name] != (PeeledTag{v.Tag, v.Commit}) {
				t.Errorf("%s: %v was listed as %v", v.Name, v, l.Tags[v.Name])
			}
		}
		return names(list)
	}
	for _, step := range []struct {
		what, versions, asked string
		change                func()
	}{
		{"fresh", "1.0.0+1.0", "GET POST", func() {}},
		{"unchanged", "1.0.0+1.0", "GET", func() {}},
		{"a new version", "1.0.0+1.0 2.0.0+1.0", "GET POST", func() { r.commit("second"); r.annotate("2.0.0+1.0") }},
		{"a moved tag", "1.0.0+1.0 2.0.0+1.0", "GET POST", func() { r.commit("third"); r.annotate("1.0.0+1.0", "--force") }},
		{"a removed tag", "1.0.0+1.0", "GET", func() { r.git("tag", "--delete", "2.0.0+1.0") }},
		{"history rewritten", "1.0.0+1.0", "GET POST", func() { r.git("checkout", "--quiet", "--orphan", "x"); r.commit("x"); r.git("branch", "-M", "main") }},
	} {
		step.change()
		asked = nil
		if got := versions(); got != step.versions {
			t.Errorf("%s: versions = %s, want %s", step.what, got, step.versions)
		}
		if got := strings.Join(asked, " "); got != step.asked {
			t.Errorf("%s: asked %s, want %s", step.what, got, step.asked)
		}
	}
}

// A second fetch must bring what is new, and not the whole history again.
func TestFetchSaysWhatTheMirrorHas(t *testing.T) {
	var sent atomic.Int64
	r, url := served(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			next.ServeHTTP(&countingWriter{w, &sent}, req)
		})
	})
	noise := make([]byte, 0, 3<<20)
	for i := range 1 << 17 {
		noise = fmt.Appendf(noise, "%x", i*i*2654435761)
	}
	r.write("large", string(noise))
	r.commit("large")
	r.annotate("1.0.0+1.0")
	cache := Options{CacheDir: t.TempDir()}
	open(t, url, cache)
	first := sent.Swap(0)
	r.write("small", "x")
	r.commit("small")
	r.annotate("2.0.0+1.0")
	if got := names(versionsOf(t, open(t, url, cache))); got != "1.0.0+1.0 2.0.0+1.0" {
		t.Errorf("versions = %s", got)
	}
	if second := sent.Load(); second > 5000 || first < 100_000 {
		t.Errorf("first fetch took %d bytes, the second one %d", first, second)
	}
}

type countingWriter struct {
	http.ResponseWriter
	sent *atomic.Int64
}

func (w *countingWriter) Write(p []byte) (int, error) {
	w.sent.Add(int64(len(p)))
	return w.ResponseWriter.Write(p)
}

func TestFetchFollowsARedirect(t *testing.T) {
	var asked []string
	r, url := served(t, methods(&asked))
	r.annotate("1.0.0+1.0")
	moved := serve(t, t.TempDir(), func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, strings.TrimSuffix(url, "/recipe/.git")+req.URL.String(), http.StatusMovedPermanently)
		})
	})
	opened := open(t, moved+"/recipe/.git", Options{CacheDir: t.TempDir()})
	if got := names(versionsOf(t, opened)); got != "1.0.0+1.0" {
		t.Errorf("versions = %s", got)
	}
	if got := strings.Join(asked, " "); got != "GET POST" {
		t.Errorf("asked %s", got)
	}
}

func TestTokenIsThePasswordAndStaysHidden(t *testing.T) {
	const token = "t0ken/with+odd"
	var reject atomic.Bool
	r, url := served(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if _, password, _ := req.BasicAuth(); password != token || reject.Load() {
				http.Error(w, "who is "+password, http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, req)
		})
	})
	r.annotate("1.0.0+1.0")
	opts := Options{CacheDir: t.TempDir(), Token: token}
	opened := open(t, url, opts)
	if got := names(versionsOf(t, opened)); got != "1.0.0+1.0" || opened.Source().String() != url {
		t.Errorf("versions = %s of %s", got, opened.Source())
	}
	reject.Store(true)
	if _, err := tagsOf(t.Context(), url, opts); !errors.Is(err, ErrAuthentication) || strings.Contains(err.Error(), "t0ken") {
		t.Errorf("error = %v", err)
	}
}

// benchClones makes local clones with twenty tags each, packed as `git clone`
// leaves them.
func benchClones(b *testing.B, count int) []string {
	b.Helper()
	r := newRepo(b)
	r.commit("first")
	for i := range 20 {
		r.annotate(fmt.Sprintf("%d.0.0+1.0", i))
	}
	root := b.TempDir()
	first := filepath.Join(root, "0")
	r.git("clone", "--quiet", r.dir, first)
	dirs := []string{first}
	for i := 1; i < count; i++ {
		dir := filepath.Join(root, fmt.Sprint(i))
		if err := os.CopyFS(dir, os.DirFS(first)); err != nil {
			b.Fatal(err)
		}
		dirs = append(dirs, dir)
	}
	return dirs
}

// BenchmarkRefs lists the tags of 1,000 local clones with 20 tags, one after
// another.
func BenchmarkRefs(b *testing.B) {
	dirs := benchClones(b, 1000)
	for b.Loop() {
		for _, dir := range dirs {
			if tags := refsOf(b, dir); len(tags) != 20 {
				b.Fatalf("%d tags", len(tags))
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(dirs)), "µs/repository")
}

func FuzzPackedRefs(f *testing.F) {
	hash := strings.Repeat("1", 40)
	f.Add([]byte("# pack-refs with: peeled fully-peeled sorted \n" + hash + " refs/tags/1.0.0+1.0\n^" + hash + "\n"))
	f.Add([]byte("^\n#\n \n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &localRefs{tags: map[string]PeeledTag{}, packed: data}
		if r.readPacked() != nil {
			return
		}
		for name, tag := range r.tags {
			for _, h := range []string{tag.Tag, tag.Target} {
				if h != "" && !fullHash.MatchString(h) || tag == (PeeledTag{}) {
					t.Errorf("%q is %v", name, tag)
				}
			}
		}
	})
}
