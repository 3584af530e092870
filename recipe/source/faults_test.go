package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

// both runs a test over a repository in place and over its mirror.
func both(t *testing.T, r repo, test func(t *testing.T, location string)) {
	t.Helper()
	url := serve(t, filepath.Dir(r.dir), nil) + "/" + filepath.Base(r.dir)
	if exists(filepath.Join(r.dir, ".git")) {
		url += "/.git"
	}
	for name, location := range map[string]string{"in place": r.dir, "mirror": url} {
		t.Run(name, func(t *testing.T) { test(t, location) })
	}
}

func TestFaultUnreachable(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", "")
	for _, location := range []string{
		"http://127.0.0.1:1/recipe.git", "git://127.0.0.1:1/recipe.git", "ssh://git@127.0.0.1:1/recipe.git", "https://does-not-exist.invalid/x",
	} {
		_, err := List(t.Context(), location, Options{Timeout: 20 * time.Second})
		if err == nil || fault.HintOf(err) == "" || !strings.Contains(err.Error(), location) {
			t.Errorf("%s: error = %v, hint %q", location, err, fault.HintOf(err))
		}
	}
}

// A listing shows a tag that was moved by force, and the mirror then has both
// objects' worth: the new one by name, the old one until somebody prunes it.
func TestFaultForcePushedTag(t *testing.T) {
	r, url := served(t, nil)
	r.annotate("1.0.0+1.0")
	opts := Options{CacheDir: t.TempDir()}
	before, err := List(t.Context(), url, opts)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := before.Open(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	second := r.commit("second")
	r.annotate("1.0.0+1.0", "--force")
	after, err := List(t.Context(), url, opts)
	if err != nil {
		t.Fatal(err)
	}
	was, is := before.Tags["1.0.0+1.0"], after.Tags["1.0.0+1.0"]
	if was.Tag == is.Tag || was.Target == is.Target || is.Target != second {
		t.Errorf("the tag was %v and is %v", was, is)
	}
	opened, err := after.Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if v := versionsOf(t, opened)[0]; v.Tag != is.Tag || v.Commit != second {
		t.Errorf("version = %+v", v)
	}
	if _, err := opened.Tree(t.Context(), was.Target); err != nil {
		t.Errorf("the commit it had: %v", err)
	}
	// An older listing that is opened late must not put the mirror back in a way
	// that fails: its objects are there.
	if opened, err = before.Open(t.Context(), opts); err != nil || versionsOf(t, opened)[0].Tag != was.Tag {
		t.Errorf("the older listing: %v", err)
	}
}

func TestFaultOddTags(t *testing.T) {
	r := newRepo(t)
	commit := r.commit("first")
	r.git("tag", "1.0.0+1.0")
	r.git("tag", "2.0.0+1.0", r.blob("x"))
	r.annotate("3.0.0+1.0", r.blob("x"))
	r.git("tag", "4.0.0+1.0", "HEAD^{tree}")
	r.annotate("5.0.0+1.0")
	both(t, r, func(t *testing.T, location string) {
		versions := versionsOf(t, open(t, location, Options{CacheDir: t.TempDir()}))
		if len(versions) != 5 {
			t.Fatalf("versions = %s", names(versions))
		}
		for i, reason := range []string{"", "leads to a blob", "leads to a blob", "leads to a tree", ""} {
			v := versions[i]
			if reason == "" && (v.Err != nil || v.Commit != commit || v.Annotated != (i == 4)) || reason != "" && !strings.Contains(fmt.Sprint(v.Err), reason) {
				t.Errorf("%s: %+v, want %q", v.Name, v, reason)
			}
		}
	})
}

func TestFaultLinksOutOfTheTree(t *testing.T) {
	r := newRepo(t)
	blob := r.blob("../../../../etc/passwd")
	commit := r.commitTree("100644 blob "+r.blob("services: {}\n")+"\tcompose.yml", "120000 blob "+blob+"\tlink", "120000 blob "+blob+"\tfolder",
		"160000 commit "+strings.Repeat("1", 40)+"\tmodule")
	r.git("update-ref", "refs/heads/main", commit)
	r.annotate("1.0.0+1.0")
	both(t, r, func(t *testing.T, location string) {
		tree := treeOf(t, open(t, location, Options{CacheDir: t.TempDir()}), commit)
		for _, name := range []string{"link", "folder", "folder/passwd", "module", "module/x"} {
			if data, err := fs.ReadFile(tree, name); err == nil {
				t.Errorf("%s was read: %q", name, data)
			}
		}
		if err := recipe.WriteBundle(io.Discard, tree); !errors.Is(err, recipe.ErrBundle) {
			t.Errorf("bundle: error = %v", err)
		}
		if _, err := fs.ReadFile(tree, "compose.yml"); err != nil {
			t.Error(err)
		}
	})
}

// thousandsOfTags has so many thousand annotated tags on one commit.
func thousandsOfTags(t testing.TB, thousands int) repo {
	t.Helper()
	r := newRepo(t)
	r.write("compose.yml", "services: {}\n")
	r.commit("first")
	var stream strings.Builder
	for i := range 1000 * thousands {
		fmt.Fprintf(&stream, "tag %d.0.0+1.0\nfrom refs/heads/main\ntagger Ada <ada@example.org> 1700000000 +0000\ndata 1\nx\n", i)
	}
	r.gitIn(stream.String(), "fast-import", "--quiet")
	r.git("pack-refs", "--all")
	return r
}

// TestFaultThousandsOfTags has three thousand; ten thousand go through a whole build in
// package catalogue.
func TestFaultThousandsOfTags(t *testing.T) {
	both(t, thousandsOfTags(t, 3), func(t *testing.T, location string) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		opts := Options{CacheDir: t.TempDir()}
		l, err := List(ctx, location, opts)
		if err != nil {
			t.Fatal(err)
		}
		opened, err := l.Open(ctx, opts)
		if err != nil {
			t.Fatal(err)
		}
		versions, err := opened.Versions(ctx)
		if err != nil || len(versions) != 3000 || len(l.Tags) != 3000 {
			t.Fatalf("%d tags, %d versions, %v", len(l.Tags), len(versions), err)
		}
		for _, v := range versions {
			if v.Err != nil || l.Tags[v.Name] != (PeeledTag{v.Tag, v.Commit}) {
				t.Fatalf("%+v was listed as %v", v, l.Tags[v.Name])
			}
		}
	})
}

func TestFaultFiftyMegabytes(t *testing.T) {
	r := newRepo(t)
	r.write("compose.yml", "services: {}\n")
	r.write("image.tar", strings.Repeat("0123456789abcdef", 50<<20/16))
	commit := r.commit("large")
	r.annotate("1.0.0+1.0")
	both(t, r, func(t *testing.T, location string) {
		opened := open(t, location, Options{CacheDir: t.TempDir()})
		tree := treeOf(t, opened, commit)
		if _, err := fs.ReadFile(tree, "compose.yml"); err != nil {
			t.Errorf("the file beside it: %v", err)
		}
		if info, err := fs.Stat(tree, "image.tar"); err != nil || info.Size() != 50<<20 {
			t.Errorf("stat = %v, %v", info, err)
		}
		if _, err := fs.ReadFile(tree, "image.tar"); err == nil || !strings.Contains(err.Error(), "expected at most 16777216") {
			t.Errorf("error = %v", err)
		}
		if err := recipe.WriteBundle(io.Discard, tree); err == nil {
			t.Error("it was bundled")
		}
	})
}

func TestFaultNamesThatAreNotUTF8(t *testing.T) {
	r := newRepo(t)
	blob := r.blob("x")
	bad := r.commitTree("100644 blob " + blob + "\tna\xefve")
	r.git("update-ref", "refs/heads/main", bad)
	r.annotate("1.0.0+1.0")
	r.git("tag", "1.0.0+\xff")
	r.git("pack-refs", "--all")
	both(t, r, func(t *testing.T, location string) {
		opts := Options{CacheDir: t.TempDir()}
		l, err := List(t.Context(), location, opts)
		if err != nil || len(l.Tags) != 2 || l.Tags["1.0.0+\xff"].Target != bad {
			t.Fatalf("tags = %v, %v", l, err)
		}
		opened := open(t, location, opts)
		if got := versionsOf(t, opened); len(got) != 2 || got[0].Name != "1.0.0+1.0" || got[1].Parsed.App != "" {
			t.Errorf("versions = %+v", got)
		}
		if _, err := opened.Tree(t.Context(), bad); err == nil || !strings.Contains(err.Error(), "not valid UTF-8") {
			t.Errorf("error = %v", err)
		}
	})
}

func TestFaultShallowClone(t *testing.T) {
	r := newRepo(t)
	r.commit("first")
	r.annotate("1.0.0+1.0")
	r.write("compose.yml", "services: {}\n")
	second := r.commit("second")
	r.annotate("2.0.0+1.0")
	clone := repo{t, filepath.Join(t.TempDir(), "shallow")}
	r.git("clone", "--quiet", "--depth=1", "file://"+r.dir, clone.dir)
	both(t, clone, func(t *testing.T, location string) {
		opts := Options{CacheDir: t.TempDir()}
		for range 2 { // the second time with what the first one left
			opened := open(t, location, opts)
			versions := versionsOf(t, opened)
			if names(versions) != "2.0.0+1.0" || versions[0].Err != nil || versions[0].Commit != second {
				t.Fatalf("versions = %+v", versions)
			}
			if _, err := fs.ReadFile(treeOf(t, opened, second), "compose.yml"); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestFaultSHA256Repository(t *testing.T) {
	r := newRepo(t, "--object-format=sha256")
	r.commit("first")
	r.annotate("1.0.0+1.0")
	both(t, r, func(t *testing.T, location string) {
		for what, open := range map[string]func() error{
			"Refs": func() error { _, err := tagsOf(t.Context(), location, Options{}); return err },
			"Open": func() error { _, err := Open(t.Context(), location, Options{CacheDir: t.TempDir()}); return err },
		} {
			err := open()
			if err == nil || !strings.Contains(err.Error()+fault.HintOf(err), "sha256") {
				t.Errorf("%s: error = %v, hint %q; want it to name sha256", what, err, fault.HintOf(err))
			}
		}
	})
}

func TestFaultCorruptPack(t *testing.T) {
	r := newRepo(t)
	r.write("compose.yml", strings.Repeat("services: {}\n", 100))
	r.commit("first")
	r.annotate("1.0.0+1.0")
	r.git("repack", "-adq")
	r.git("pack-refs", "--all")
	packs, err := filepath.Glob(filepath.Join(r.dir, ".git", "objects", "pack", "*.pack"))
	if err != nil || len(packs) != 1 {
		t.Fatalf("packs = %v, %v", packs, err)
	}
	data, err := os.ReadFile(packs[0])
	if err != nil {
		t.Fatal(err)
	}
	for what, damaged := range map[string][]byte{
		"zeros":     append(append([]byte{}, data[:12]...), make([]byte, len(data)-12)...),
		"cut short": data[:len(data)/3],
		"empty":     nil,
	} {
		t.Run(what, func(t *testing.T) {
			if err := os.Chmod(packs[0], 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(packs[0], damaged, 0o644); err != nil {
				t.Fatal(err)
			}
			if tags := refsOf(t, r.dir); len(tags) != 1 {
				t.Errorf("refs need no pack: %v", tags)
			}
			versions := versionsOf(t, open(t, r.dir, Options{}))
			if len(versions) != 1 || !errors.Is(versions[0].Err, ErrCorrupt) || !strings.Contains(fault.HintOf(versions[0].Err), "fsck") {
				t.Errorf("versions = %+v", versions)
			}
			url := serve(t, filepath.Dir(r.dir), nil) + "/recipe/.git"
			if _, err := Open(t.Context(), url, Options{CacheDir: t.TempDir(), Timeout: 20 * time.Second}); err == nil || fault.HintOf(err) == "" {
				t.Errorf("fetched from a corrupt pack: %v", err)
			}
		})
	}
}

// A mirror whose pack was damaged says so, and what to do about it.
func TestFaultCorruptMirror(t *testing.T) {
	r, url := served(t, nil)
	r.annotate("1.0.0+1.0")
	opts := Options{CacheDir: t.TempDir()}
	root := open(t, url, opts).Root()
	packs, err := filepath.Glob(filepath.Join(root, "objects", "pack", "*.pack"))
	if err != nil || len(packs) != 1 {
		t.Fatalf("packs = %v, %v", packs, err)
	}
	if err := os.Chmod(packs[0], 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(packs[0], 20); err != nil {
		t.Fatal(err)
	}
	v := versionsOf(t, open(t, url, opts))[0]
	if !errors.Is(v.Err, ErrCorrupt) || !strings.Contains(fault.HintOf(v.Err), "remove the mirror "+root) {
		t.Fatalf("error = %v, hint %q", v.Err, fault.HintOf(v.Err))
	}
	remove(t, root)
	if v := versionsOf(t, open(t, url, opts))[0]; v.Err != nil {
		t.Errorf("after its removal: %v", v.Err)
	}
}

func TestFaultAlternates(t *testing.T) {
	r := newRepo(t)
	r.write("compose.yml", "services: {}\n")
	commit := r.commit("first")
	r.annotate("1.0.0+1.0")
	shared := repo{t, filepath.Join(t.TempDir(), "shared")}
	r.git("clone", "--quiet", "--shared", r.dir, shared.dir)
	both(t, shared, func(t *testing.T, location string) {
		opened := open(t, location, Options{CacheDir: t.TempDir()})
		if v := versionsOf(t, opened)[0]; v.Err != nil || v.Commit != commit {
			t.Errorf("version = %+v", v)
		}
		if _, err := fs.ReadFile(treeOf(t, opened, commit), "compose.yml"); err != nil {
			t.Error(err)
		}
	})
	again := repo{t, filepath.Join(filepath.Dir(shared.dir), "again")}
	r.git("clone", "--quiet", "--shared", shared.dir, again.dir)
	relative := "../../../shared/.git/objects\n"
	if err := os.WriteFile(filepath.Join(again.dir, ".git", "objects", "info", "alternates"), []byte(relative), 0o644); err != nil {
		t.Fatal(err)
	}
	opened := open(t, again.dir, Options{})
	if v := versionsOf(t, opened)[0]; v.Err != nil {
		t.Errorf("borrowed from one that borrows: %+v", v)
	}
	if got, err := opened.Resolve(t.Context(), commit[:10]); got != commit {
		t.Errorf("a short hash of a borrowed commit: %q, %v", got, err)
	}
	remove(t, r.dir)
	if tags := refsOf(t, shared.dir); len(tags) != 1 {
		t.Errorf("refs = %v", tags)
	}
	if v := versionsOf(t, open(t, shared.dir, Options{}))[0]; !errors.Is(v.Err, ErrCorrupt) {
		t.Errorf("objects that are gone: %+v", v)
	}
}

// BenchmarkTenThousandTags lists, mirrors and reads such a repository over http.
func BenchmarkTenThousandTags(b *testing.B) {
	r := thousandsOfTags(b, 10)
	url := serve(b, filepath.Dir(r.dir), nil) + "/recipe/.git"
	mirror := Options{CacheDir: b.TempDir()}
	open(b, url, mirror)
	b.Run("list local", func(b *testing.B) {
		for b.Loop() {
			refsOf(b, r.dir)
		}
	})
	b.Run("list http", func(b *testing.B) {
		for b.Loop() {
			refsOf(b, url)
		}
	})
	b.Run("clone", func(b *testing.B) {
		for b.Loop() {
			open(b, url, Options{CacheDir: b.TempDir()})
		}
	})
	b.Run("open unchanged", func(b *testing.B) {
		for b.Loop() {
			open(b, url, mirror)
		}
	})
	b.Run("versions", func(b *testing.B) {
		opened := open(b, url, mirror)
		for b.Loop() {
			versionsOf(b, opened)
		}
	})
}
