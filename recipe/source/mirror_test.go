package source

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/galley-coop/galley/internal/fault"
)

// counted counts the requests that reach a server.
func counted(n *atomic.Int64) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			n.Add(1)
			next.ServeHTTP(w, req)
		})
	}
}

func TestMirrorFollowsTheRemote(t *testing.T) {
	var requests atomic.Int64
	r, url := served(t, counted(&requests))
	cache := t.TempDir()
	first := r.git("rev-parse", "HEAD")
	r.annotate("1.0.0+1.0")
	r.annotate("2.0.0+1.0")
	r.git("tag", "3.0.0+1.0")
	r.git("update-ref", "refs/pull/1/head", first)

	opened := open(t, url, Options{CacheDir: cache})
	if got := names(versionsOf(t, opened)); got != "1.0.0+1.0 2.0.0+1.0 3.0.0+1.0" {
		t.Fatalf("versions of a fresh mirror = %s", got)
	}
	if commit, branch, err := opened.Head(t.Context()); commit != first || branch != "main" || err != nil {
		t.Errorf("head = %q, %q, %v", commit, branch, err)
	}
	if data, err := fs.ReadFile(treeOf(t, opened, first), "compose.yml"); err != nil || string(data) != "services: {}\n" {
		t.Errorf("compose.yml = %q, %v", data, err)
	}
	if _, err := opened.Resolve(t.Context(), "refs/pull/1/head"); !errors.Is(err, ErrUnknownRevision) {
		t.Errorf("a merge request was mirrored: %v", err)
	}

	r.write("compose.yml", "services: {b: {}}\n")
	second := r.commit("second")
	r.git("tag", "-d", "2.0.0+1.0")
	r.annotate("1.0.0+1.0", "--force")
	r.git("tag", "--force", "3.0.0+1.0")
	r.annotate("4.0.0+1.0")
	r.git("branch", "--move", "main", "trunk")

	opened = open(t, url, Options{CacheDir: cache})
	versions := versionsOf(t, opened)
	if got := names(versions); got != "1.0.0+1.0 3.0.0+1.0 4.0.0+1.0" {
		t.Fatalf("versions after the remote changed = %s", got)
	}
	for _, v := range versions {
		if v.Commit != second {
			t.Errorf("%s: commit = %s, want the moved %s", v.Name, v.Commit, second)
		}
	}
	if commit, branch, err := opened.Head(t.Context()); commit != second || branch != "trunk" || err != nil {
		t.Errorf("head after a rename = %q, %q, %v", commit, branch, err)
	}
	if _, err := opened.Resolve(t.Context(), "main"); !errors.Is(err, ErrUnknownRevision) {
		t.Errorf("a renamed branch kept its old name: %v", err)
	}

	before := requests.Load()
	if got := names(versionsOf(t, open(t, url, Options{CacheDir: cache}))); got != "1.0.0+1.0 3.0.0+1.0 4.0.0+1.0" {
		t.Errorf("versions of an unchanged remote = %s", got)
	}
	if n := requests.Load() - before; n != 1 {
		t.Errorf("an unchanged remote was asked %d times, want once", n)
	}
	entries, err := os.ReadDir(cache)
	if err != nil || len(entries) != 2 {
		t.Errorf("cache holds %v, %v; want one mirror and its lock", entries, err)
	}
}

func TestMirrorOfRepositoryThatBecomesEmpty(t *testing.T) {
	r, url := served(t, nil)
	r.annotate("1.0.0+1.0")
	cache := t.TempDir()
	open(t, url, Options{CacheDir: cache})
	r.git("tag", "-d", "1.0.0+1.0")
	r.git("update-ref", "-d", "refs/heads/main")
	opened := open(t, url, Options{CacheDir: cache})
	if versions := versionsOf(t, opened); len(versions) != 0 {
		t.Errorf("versions = %v, want none", versions)
	}
	if _, _, err := opened.Head(t.Context()); !errors.Is(err, ErrNoCommits) {
		t.Errorf("head: error = %v, want no commits", err)
	}
}

func TestMirrorOfEmptyRepository(t *testing.T) {
	r := newRepo(t)
	url := serve(t, filepath.Dir(r.dir), nil) + "/recipe/.git"
	cache := t.TempDir()
	if versions := versionsOf(t, open(t, url, Options{CacheDir: cache})); len(versions) != 0 {
		t.Errorf("versions = %v, want none", versions)
	}
	commit := r.commit("first")
	if got, _, err := open(t, url, Options{CacheDir: cache}).Head(t.Context()); got != commit || err != nil {
		t.Errorf("head after the first commit = %q, %v", got, err)
	}
}

func TestMirrorWithoutCacheIsTemporary(t *testing.T) {
	_, url := served(t, nil)
	t.Setenv("TMPDIR", t.TempDir())
	opened, err := Open(t.Context(), url, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(opened.Root(), os.TempDir()) {
		t.Errorf("mirror is at %q", opened.Root())
	}
	for range 2 {
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := Open(t.Context(), url+"-is-not-there", Options{}); err == nil {
		t.Error("a missing repository was opened")
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestDamagedMirrorIsMadeAnew(t *testing.T) {
	r, url := served(t, nil)
	r.annotate("1.0.0+1.0")
	for what, damage := range map[string]func(t *testing.T, mirror string){
		"objects are gone": func(t *testing.T, mirror string) { remove(t, filepath.Join(mirror, "objects")) },
		"HEAD is gone":     func(t *testing.T, mirror string) { remove(t, filepath.Join(mirror, "HEAD")) },
		"config is broken": func(t *testing.T, mirror string) {
			if err := os.WriteFile(filepath.Join(mirror, "config"), []byte("[core\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"a clone was killed": func(t *testing.T, mirror string) {
			if err := os.Rename(mirror, mirror+".partial"); err != nil {
				t.Fatal(err)
			}
			remove(t, filepath.Join(mirror+".partial", "refs"))
		},
	} {
		t.Run(what, func(t *testing.T) {
			cache := t.TempDir()
			damage(t, open(t, url, Options{CacheDir: cache}).Root())
			versions := versionsOf(t, open(t, url, Options{CacheDir: cache}))
			if names(versions) != "1.0.0+1.0" || versions[0].Err != nil {
				t.Errorf("versions = %+v", versions)
			}
			if left, err := filepath.Glob(filepath.Join(cache, "*.partial")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

func TestMirrorIsKeptWhenTheServerIsDown(t *testing.T) {
	var down atomic.Bool
	r, url := served(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if down.Load() {
				http.Error(w, "down for\nmaintenance", http.StatusServiceUnavailable)
				return
			}
			next.ServeHTTP(w, req)
		})
	})
	cache := t.TempDir()
	before := fingerprint(t, open(t, url, Options{CacheDir: cache}).Root())
	r.commit("second")
	down.Store(true)
	opened, err := Open(t.Context(), url, Options{CacheDir: cache})
	if err == nil {
		t.Fatalf("opened %v while the server was down", opened.Root())
	}
	if !strings.Contains(err.Error(), "503") || strings.Contains(err.Error(), "\n") || fault.HintOf(err) == "" {
		t.Errorf("error = %q, hint %q", err, fault.HintOf(err))
	}
	mirrors, err := filepath.Glob(filepath.Join(cache, "*.git"))
	if err != nil || len(mirrors) != 1 || !slices.Equal(before, fingerprint(t, mirrors[0])) {
		t.Errorf("the mirror %v changed: %v", mirrors, err)
	}
}

func TestMirrorSharedByManyAtOnce(t *testing.T) {
	r, url := served(t, nil)
	r.annotate("1.0.0+1.0")
	cache := t.TempDir()
	for round := range 2 {
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				opened, err := Open(t.Context(), url, Options{CacheDir: cache})
				if err != nil {
					t.Error(err)
					return
				}
				versions, err := opened.Versions(t.Context())
				if err != nil || len(versions) != round+1 || versions[round].Err != nil {
					t.Errorf("versions = %+v, %v; want %d", versions, err, round+1)
				}
				if err := opened.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		r.annotate(fmt.Sprintf("%d.0.0+1.0", round+2), r.commit("next"))
	}
}

func TestRemoteListsPeeledTags(t *testing.T) {
	var requests atomic.Int64
	r, url := served(t, counted(&requests))
	commit := r.git("rev-parse", "HEAD")
	r.annotate("1.0.0+1.0")
	r.annotate("nested", "1.0.0+1.0")
	r.git("tag", "light")
	want := map[string]PeeledTag{
		"1.0.0+1.0": {Tag: r.git("rev-parse", "1.0.0+1.0"), Target: commit},
		"nested":    {Tag: r.git("rev-parse", "nested"), Target: commit},
		"light":     {Target: commit},
	}
	r.git("pack-refs", "--all")
	for _, location := range []string{url, r.dir} {
		tags, err := tagsOf(t.Context(), location, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if len(tags) != len(want) {
			t.Errorf("%s: tags = %v", location, tags)
		}
		for name, tag := range want {
			if tags[name] != tag {
				t.Errorf("%s: tag %q = %v, want %v", location, name, tags[name], tag)
			}
		}
	}
	if n := requests.Load(); n != 1 {
		t.Errorf("the server was asked %d times, want once", n)
	}
}
