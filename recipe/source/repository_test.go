package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/galley-coop/galley/internal/fault"
)

// tagged is a repository with one tagged commit.
func tagged(t testing.TB) (repo, string) {
	t.Helper()
	r := newRepo(t)
	r.write("compose.yml", "services: {}\n")
	commit := r.commit("first")
	r.annotate("1.0.0+1.0")
	return r, commit
}

func TestOpenLocalForms(t *testing.T) {
	r, commit := tagged(t)
	base := filepath.Dir(r.dir)
	r.git("clone", "--quiet", "--bare", r.dir, filepath.Join(base, "bare.git"))
	r.git("clone", "--quiet", r.dir, filepath.Join(base, "clone"))
	r.git("worktree", "add", "--quiet", "-b", "side", filepath.Join(base, "linked"))
	outer := repo{t, filepath.Join(base, "outer")}
	r.git("init", "--quiet", outer.dir)
	outer.git("submodule", "--quiet", "add", r.dir, "sub")
	if err := os.Symlink(r.dir, filepath.Join(base, "alias")); err != nil {
		t.Fatal(err)
	}

	for _, location := range []string{
		r.dir, filepath.Join(r.dir, ".git"), "file://" + r.dir,
		filepath.Join(base, "bare.git"), filepath.Join(base, "clone"), filepath.Join(base, "linked"),
		filepath.Join(base, "alias"), filepath.Join(outer.dir, "sub"),
	} {
		opened := open(t, location, Options{})
		versions := versionsOf(t, opened)
		if names(versions) != "1.0.0+1.0" || versions[0].Commit != commit {
			t.Errorf("%s: versions = %+v", location, versions)
			continue
		}
		if _, err := fs.Stat(treeOf(t, opened, commit), "compose.yml"); err != nil {
			t.Errorf("%s: %v", location, err)
		}
	}
	if _, branch, err := open(t, filepath.Join(base, "linked"), Options{}).Head(t.Context()); err != nil || branch != "side" {
		t.Errorf("branch of a linked work tree = %q, %v; want its own", branch, err)
	}
}

func TestOpenLooksInParentsOnlyWhenAsked(t *testing.T) {
	r, _ := tagged(t)
	r.write("recipes/x/compose.yml", "")
	sub := filepath.Join(r.dir, "recipes", "x")
	if _, err := Open(t.Context(), sub, Options{}); !errors.Is(err, ErrNotRepository) {
		t.Errorf("a folder inside a work tree: error = %v, want not a repository", err)
	}
	if got := open(t, sub, Options{Parents: true}).Root(); got != r.dir {
		t.Errorf("root = %q, want %q", got, r.dir)
	}
	bare := filepath.Join(r.dir, "fixtures", "bare.git")
	r.git("init", "--quiet", "--bare", bare)
	if got := open(t, filepath.Join(bare, "refs"), Options{Parents: true}).Root(); got != bare {
		t.Errorf("root below a bare repository = %q, want %q", got, bare)
	}
}

func TestOpenErrors(t *testing.T) {
	r, _ := tagged(t)
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, ".git"), 0o755); err != nil {
		t.Fatal(err)
	}
	sha256Repo := newRepo(t, "--object-format=sha256")
	partial := newRepo(t)
	partial.commit("first")
	partial.git("config", "core.repositoryformatversion", "1")
	partial.git("config", "extensions.partialClone", "origin")
	emptyRef := newRepo(t)
	emptyRef.commit("first")
	emptyRef.write(".git/refs/tags/empty", "")
	config := newRepo(t)
	config.commit("first")
	config.write(".git/config", "[core\n")
	gitFile := t.TempDir()
	if err := os.WriteFile(filepath.Join(gitFile, ".git"), []byte("gitdir: /does/not/exist\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for location, c := range map[string]struct {
		is   error
		text string
		hint string
	}{
		filepath.Join(dir, "none"):           {fs.ErrNotExist, "none", "check the path"},
		t.TempDir():                          {ErrNotRepository, "not a git repository", "top folder"},
		filepath.Join(r.dir, "compose.yml"):  {ErrNotRepository, "compose.yml", "top folder"},
		dir:                                  {ErrNotRepository, "not a git repository", "top folder"},
		gitFile:                              {ErrNotRepository, "not a git repository", "top folder"},
		sha256Repo.dir:                       {nil, "extension", "plain clone"},
		partial.dir:                          {nil, "extension", "plain clone"},
		emptyRef.dir:                         {nil, "reading refs", "fsck"},
		config.dir:                           {nil, "opening git repository", "fsck"},
		"file://" + filepath.Join(dir, "no"): {fs.ErrNotExist, "no", "check the path"},
	} {
		_, err := Open(t.Context(), location, Options{})
		if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.text) || !strings.Contains(fault.HintOf(err), c.hint) {
			t.Errorf("%s: error = %v, hint %q; want %v with %q and a hint with %q", location, err, fault.HintOf(err), c.is, c.text, c.hint)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error has several lines: %q", location, err)
		}
	}
}

func TestRepositoryWithoutCommits(t *testing.T) {
	r := newRepo(t)
	opened := open(t, r.dir, Options{})
	if versions := versionsOf(t, opened); len(versions) != 0 {
		t.Errorf("versions = %v", versions)
	}
	_, branch, err := opened.Head(t.Context())
	if !errors.Is(err, ErrNoCommits) || branch != "main" || fault.HintOf(err) == "" {
		t.Errorf("head: branch %q, error %v", branch, err)
	}
	if _, err := opened.DefaultBranch(); !errors.Is(err, ErrNoCommits) {
		t.Errorf("default branch: error = %v", err)
	}
}

func TestHeadAndDefaultBranch(t *testing.T) {
	r, first := tagged(t)
	clone := repo{t, filepath.Join(filepath.Dir(r.dir), "clone")}
	r.git("clone", "--quiet", r.dir, clone.dir)
	clone.git("switch", "--quiet", "-c", "feature")
	second := clone.commit("second")
	opened := open(t, clone.dir, Options{})
	if commit, branch, err := opened.Head(t.Context()); commit != second || branch != "feature" || err != nil {
		t.Errorf("head = %q, %q, %v", commit, branch, err)
	}
	if branch, err := opened.DefaultBranch(); branch != "main" || err != nil {
		t.Errorf("default branch of a clone = %q, %v; want the remote's", branch, err)
	}
	r.git("switch", "--quiet", "--detach")
	opened = open(t, r.dir, Options{})
	if commit, branch, err := opened.Head(t.Context()); commit != first || branch != "" || err != nil {
		t.Errorf("detached head = %q, %q, %v", commit, branch, err)
	}
	if branch, err := opened.DefaultBranch(); branch != "main" || err != nil {
		t.Errorf("default branch of a detached head = %q, %v", branch, err)
	}
}

func TestResolve(t *testing.T) {
	r, first := tagged(t)
	r.git("branch", "1.0.0+1.0")
	r.git("switch", "--quiet", "1.0.0+1.0")
	second := r.commit("second")
	for packed := range 2 {
		if packed == 1 {
			r.git("gc", "--quiet")
		}
		opened := open(t, r.dir, Options{})
		for rev, want := range map[string]string{
			"HEAD": second, "main": first, "refs/heads/main": first, "heads/1.0.0+1.0": second,
			"1.0.0+1.0": first, first: first, second: second, second[:8]: second, first[:7]: first, first[:39]: first,
			r.git("rev-parse", "refs/tags/1.0.0+1.0"): first,
			"HEAD~1": first, "HEAD~": first, "HEAD^": first, "HEAD^1~0": first, "HEAD^0": second, second[:8] + "~": first,
		} {
			if got, err := opened.Resolve(t.Context(), rev); got != want || err != nil {
				t.Errorf("Resolve(%q) = %q, %v; want %q", rev, got, err, want)
			}
		}
		for _, rev := range []string{"", "none", "none~1", "main@{1}", "deadbeef", "123", "../main", strings.Repeat("0", 39)} {
			if _, err := opened.Resolve(t.Context(), rev); !errors.Is(err, ErrUnknownRevision) || fault.HintOf(err) == "" {
				t.Errorf("Resolve(%q): error = %v, want unknown revision", rev, err)
			}
		}
		for _, rev := range []string{"HEAD~2", "HEAD^2", "main~99999"} {
			if _, err := opened.Resolve(t.Context(), rev); err == nil || !strings.Contains(err.Error(), "parents") || fault.HintOf(err) == "" {
				t.Errorf("Resolve(%q): error = %v, want too few parents", rev, err)
			}
		}
		if _, err := opened.Resolve(t.Context(), r.git("rev-parse", "HEAD:compose.yml")); err == nil {
			t.Error("a blob's hash was resolved to a commit")
		}
		if _, err := opened.Resolve(t.Context(), strings.Repeat("1", 40)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("a hash that is not there: error = %v", err)
		}
	}
}

// fingerprint tells every file below dir with its mode, time and content.
func fingerprint(t *testing.T, dir string) []string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		line := fmt.Sprintf("%s %v %v", path, info.Mode(), info.ModTime())
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			sum := sha256.Sum256(data)
			line += " " + hex.EncodeToString(sum[:])
		}
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// A repository's hooks and config must have no effect, and reading must leave no trace.
func TestLocalRepositoryIsOnlyRead(t *testing.T) {
	r, commit := tagged(t)
	ran := filepath.Join(t.TempDir(), "ran")
	script := "#!/bin/sh\ntouch " + ran + "\n"
	r.write(".git/hooks/post-checkout", script)
	if err := os.Chmod(filepath.Join(r.dir, ".git/hooks/post-checkout"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.write("fsmonitor.sh", script)
	r.git("config", "core.fsmonitor", "sh "+filepath.Join(r.dir, "fsmonitor.sh"))
	r.git("config", "core.sshCommand", "sh "+filepath.Join(r.dir, "fsmonitor.sh"))
	r.git("config", "include.path", "/does/not/exist")
	before := fingerprint(t, r.dir)
	opened := open(t, r.dir, Options{})
	versionsOf(t, opened)
	if _, err := fs.ReadFile(treeOf(t, opened, commit), "compose.yml"); err != nil {
		t.Fatal(err)
	}
	if _, err := opened.Resolve(t.Context(), commit[:9]); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(before, fingerprint(t, r.dir)) {
		t.Error("reading a repository changed its files")
	}
	if exists(ran) {
		t.Error("a program of the repository ran")
	}
}

func TestOpenStopsWithItsContext(t *testing.T) {
	r, _ := tagged(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, r.dir, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want canceled", err)
	}
}
