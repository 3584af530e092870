package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/galley-coop/galley/recipe"
)

func treeOf(t testing.TB, r *Repository, commit string) fs.FS {
	t.Helper()
	tree, err := r.Tree(t.Context(), commit)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestTreeIsTheCommitAndNothingElse(t *testing.T) {
	r := newRepo(t)
	r.write("compose.yml", "services: {}\n")
	r.write("release/next", "notes\n")
	r.write("release.txt", "sorts between folder and file\n")
	r.write("läng/ß.tmpl", "")
	r.write("abra.sh", "export A=b\n")
	if err := os.Chmod(filepath.Join(r.dir, "abra.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	commit := r.commit("first")
	r.write("compose.yml", "services: {changed: {}}\n")
	r.write("untracked.yml", "x")
	r.write("staged.yml", "x")
	r.git("add", "staged.yml")

	tree := treeOf(t, open(t, r.dir, Options{}), commit)
	if err := fstest.TestFS(tree, "compose.yml", "release/next", "release.txt", "läng/ß.tmpl", "abra.sh"); err != nil {
		t.Error(err)
	}
	if data, err := fs.ReadFile(tree, "compose.yml"); err != nil || string(data) != "services: {}\n" {
		t.Errorf("compose.yml = %q, %v; want what was committed", data, err)
	}
	for _, name := range []string{"untracked.yml", "staged.yml", ".git/HEAD", "compose.yml/x"} {
		if _, err := fs.Stat(tree, name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("stat %q: error = %v, want not exist", name, err)
		}
	}
	for name, want := range map[string]fs.FileMode{"abra.sh": 0o755, "compose.yml": 0o644, "release": fs.ModeDir | 0o755} {
		if info, err := fs.Stat(tree, name); err != nil || info.Mode() != want {
			t.Errorf("mode of %q = %v, %v; want %v", name, info, err, want)
		}
	}
}

func TestTreeOfEmptyCommit(t *testing.T) {
	r := newRepo(t)
	commit := r.commit("empty")
	if err := fstest.TestFS(treeOf(t, open(t, r.dir, Options{}), commit)); err != nil {
		t.Error(err)
	}
}

func TestTreeWithIrregularFiles(t *testing.T) {
	r := newRepo(t)
	blob := r.blob("abra.sh")
	commit := r.commitTree(
		"100644 blob "+blob+"\tcompose.yml",
		"120000 blob "+blob+"\tlink",
		"160000 commit "+strings.Repeat("1", 40)+"\tmodule",
	)
	tree := treeOf(t, open(t, r.dir, Options{}), commit)
	for name, c := range map[string]struct {
		mode   fs.FileMode
		reason string
	}{
		"link":   {fs.ModeSymlink, `open link: is a symlink`},
		"module": {fs.ModeIrregular, `open module: is a submodule`},
	} {
		info, err := fs.Stat(tree, name)
		if err != nil || info.Mode().Type() != c.mode {
			t.Errorf("type of %q = %v, %v; want %v", name, info, err, c.mode)
		}
		if _, err := tree.Open(name); err == nil || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("open %q: error = %v, want one with %q", name, err, c.reason)
		}
	}
	if _, err := fs.ReadFile(tree, "link/x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reading below a symlink: error = %v, want not exist", err)
	}
	err := recipe.WriteBundle(io.Discard, tree)
	if !errors.Is(err, recipe.ErrBundle) || !strings.Contains(err.Error(), `"link" is a symlink`) {
		t.Errorf("bundle of a tree with a symlink: error = %v", err)
	}
}

func TestTreeRefusesNames(t *testing.T) {
	r := newRepo(t)
	blob := r.blob("x")
	sub := r.gitIn("100644 blob "+blob+"\tno\xffutf8\x00", "mktree", "-z")
	for entry, reason := range map[string]string{
		"100644 blob " + blob + "\tno\xffutf8":  "not valid UTF-8",
		"100644 blob " + blob + "\tnew\nline":   "control character",
		"100644 blob " + blob + "\tesc\x1b[0m":  "control character",
		"100644 blob " + blob + "\tback\\slash": "backslash",
		"040000 tree " + sub + "\t.git":         "git's own",
		"040000 tree " + sub + "\t..":           "not a file's name",
		"100644 blob " + blob + "\t.":           "not a file's name",
	} {
		commit := r.commitTree(entry)
		_, err := open(t, r.dir, Options{}).Tree(t.Context(), commit)
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("tree with %q: error = %v, want one with %q", entry, err, reason)
		}
	}
	tree := treeOf(t, open(t, r.dir, Options{}), r.commitTree("040000 tree "+sub+"\tsub", "100644 blob "+blob+"\tcompose.yml"))
	if _, err := fs.ReadFile(tree, "compose.yml"); err != nil {
		t.Errorf("a file beside a folder with a bad name: %v", err)
	}
	if _, err := fs.ReadDir(tree, "sub"); err == nil || !strings.Contains(err.Error(), "not valid UTF-8") {
		t.Errorf("listing a folder with a bad name: error = %v", err)
	}
}

func TestTreeRefusesANameTwice(t *testing.T) {
	r := newRepo(t)
	hash := make([]byte, 20)
	raw := "100644 a\x00" + string(hash) + "100644 a\x00" + string(hash)
	tree := r.gitIn(raw, "hash-object", "-t", "tree", "-w", "--stdin", "--literally")
	commit := r.git("commit-tree", "-m", "x", tree)
	if _, err := open(t, r.dir, Options{}).Tree(t.Context(), commit); err == nil || !strings.Contains(err.Error(), `"a" occurs twice`) {
		t.Errorf("error = %v", err)
	}
}

func TestTreeBoundsFiles(t *testing.T) {
	r := newRepo(t)
	r.write("fits", strings.Repeat("x", recipe.MaxBundleFileSize))
	r.write("large", strings.Repeat("x", recipe.MaxBundleFileSize+1))
	tree := treeOf(t, open(t, r.dir, Options{}), r.commit("large"))
	if data, err := fs.ReadFile(tree, "fits"); err != nil || len(data) != recipe.MaxBundleFileSize {
		t.Errorf("file at the limit: %d bytes, %v", len(data), err)
	}
	if _, err := fs.ReadFile(tree, "large"); err == nil || !strings.Contains(err.Error(), "expected at most 16777216") {
		t.Errorf("file above the limit: error = %v", err)
	}
}

// Ten folders that each list the next one ten times stand for ten thousand
// million files.
func TestTreeBoundsNestedFolders(t *testing.T) {
	r := newRepo(t)
	hash, kind := r.blob("x"), "100644 blob "
	for range 10 {
		var lines strings.Builder
		for i := range 10 {
			fmt.Fprintf(&lines, "%s%s\t%d\x00", kind, hash, i)
		}
		hash, kind = r.gitIn(lines.String(), "mktree", "-z"), "040000 tree "
	}
	tree := treeOf(t, open(t, r.dir, Options{}), r.git("commit-tree", "-m", "x", hash))
	err := fs.WalkDir(tree, ".", func(_ string, _ fs.DirEntry, err error) error { return err })
	if err == nil || !strings.Contains(err.Error(), "more than 100000 files") {
		t.Errorf("walking all of it: error = %v", err)
	}
	if err := recipe.WriteBundle(io.Discard, tree); err == nil {
		t.Error("all of it was bundled")
	}
}

func TestTreeBoundsDepth(t *testing.T) {
	r := newRepo(t)
	r.write(strings.Repeat("d/", 70)+"f", "x")
	tree := treeOf(t, open(t, r.dir, Options{}), r.commit("deep"))
	err := fs.WalkDir(tree, ".", func(_ string, _ fs.DirEntry, err error) error { return err })
	if err == nil || !strings.Contains(err.Error(), "more than 64 folders deep") {
		t.Errorf("walking all of it: error = %v", err)
	}
}

func TestTreeWithCorruptBlob(t *testing.T) {
	r := newRepo(t)
	r.write("compose.yml", "services: {}\n")
	r.write("abra.sh", "export A=b\n")
	commit := r.commit("first")
	good, err := os.ReadFile(r.object(r.git("rev-parse", "HEAD:abra.sh")))
	if err != nil {
		t.Fatal(err)
	}
	path := r.object(r.git("rev-parse", "HEAD:compose.yml"))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, good, 0o444); err != nil {
		t.Fatal(err)
	}
	tree := treeOf(t, open(t, r.dir, Options{}), commit)
	if _, err := fs.ReadFile(tree, "compose.yml"); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a file whose object holds another's bytes: error = %v, want a corrupt object", err)
	}
	if _, err := fs.ReadFile(tree, "abra.sh"); err != nil {
		t.Errorf("the file beside it: %v", err)
	}
}

func TestTreeRefusesWhatIsNoCommit(t *testing.T) {
	r := newRepo(t)
	r.write("compose.yml", "")
	r.commit("first")
	opened := open(t, r.dir, Options{})
	for _, commit := range []string{"", "HEAD", "main", "1234567", r.git("rev-parse", "HEAD^{tree}"), strings.Repeat("1", 40)} {
		if _, err := opened.Tree(t.Context(), commit); err == nil {
			t.Errorf("Tree(%q) gave no error", commit)
		}
	}
}

func TestTreeIsSafeForConcurrentUse(t *testing.T) {
	r := newRepo(t)
	for i := range 8 {
		r.write(fmt.Sprintf("d%d/file", i), strings.Repeat("x", i))
	}
	commit := r.commit("first")
	r.annotate("1.0.0+1.0")
	r.git("repack", "-adq")
	opened := open(t, r.dir, Options{})
	tree := treeOf(t, opened, commit)
	var want bytes.Buffer
	if err := recipe.WriteBundle(&want, tree); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			var got bytes.Buffer
			if err := recipe.WriteBundle(&got, tree); err != nil || !bytes.Equal(got.Bytes(), want.Bytes()) {
				t.Errorf("bundle: %v, %d bytes, want %d", err, got.Len(), want.Len())
			}
			if versions, err := opened.Versions(t.Context()); err != nil || versions[0].Err != nil {
				t.Errorf("versions: %v, %v", versions, err)
			}
		})
	}
	wg.Wait()
}
