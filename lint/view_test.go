package lint

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"testing/fstest"
	"time"
)

func TestViewIsAFileSystem(t *testing.T) {
	dir := tree(t, map[string]string{"compose.yml": stack, "sub/a.yml": "a: 1\n", "sub/deep/b.yml": "b: 1\n"})
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	v := View(root.FS(), map[string][]byte{"compose.yml": []byte("new"), "sub/c.yml": []byte("c"), "made/up/d.yml": nil})
	if err := fstest.TestFS(v, "compose.yml", "sub/a.yml", "sub/c.yml", "sub/deep/b.yml", "made/up/d.yml"); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]string{"compose.yml": "new", "sub/a.yml": "a: 1\n", "sub/c.yml": "c"} {
		if got, err := fs.ReadFile(v, name); err != nil || string(got) != want {
			t.Errorf("%s = %q, %v; want %q", name, got, err, want)
		}
	}
}

func TestViewOfASubfolder(t *testing.T) {
	v := View(fstest.MapFS{"a/x.yml": {Data: []byte("x")}}, map[string][]byte{"a/y.yml": []byte("y"), "b/z.yml": []byte("z")})
	sub, err := fs.Sub(v, "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(sub, "x.yml", "y.yml"); err != nil {
		t.Error(err)
	}
	if entries, err := fs.ReadDir(sub, "."); err != nil || len(entries) != 2 {
		t.Errorf("entries = %v, %v; want those of the subfolder alone", entries, err)
	}
}

func TestHidingViewIsAFileSystem(t *testing.T) {
	base := fstest.MapFS{"a.yml": {Data: []byte("a")}, "secret/b.yml": {Data: []byte("b")}, "c/d.yml": {Data: []byte("d")}}
	v := &view{fsys: base, dir: ".", hides: func(name string, _ bool) bool { return name == "secret" || name == "secret/b.yml" }}
	if err := fstest.TestFS(v, "a.yml", "c/d.yml"); err != nil {
		t.Error(err)
	}
	if _, err := fs.Stat(v, "secret/b.yml"); err == nil {
		t.Error("a hidden file can be described")
	}
	if _, err := v.Open("secret/b.yml"); err == nil {
		t.Error("a hidden file can be opened")
	}
}

// TestANamedPipeInASubfolderDoesNotWait loads a recipe beside a pipe that nobody
// writes to.
func TestANamedPipeInASubfolderDoesNotWait(t *testing.T) {
	dir := tree(t, map[string]string{"r/.env.sample": "TYPE=r\n", "r/x.txt": ""})
	for _, name := range []string{"compose.yml", "abra.sh", "README.md"} {
		if err := syscall.Mkfifo(filepath.Join(dir, "r", name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan []Target, 1)
	go func() { done <- load(t, LoadOptions{}, dir) }()
	select {
	case targets := <-done:
		if len(targets) != 1 || len(targets[0].Recipe.Problems) != 3 {
			t.Errorf("targets = %v, want one with a problem for each pipe", describe(targets))
		}
	case <-time.After(20 * time.Second):
		t.Fatal("loading waits for a pipe")
	}
}

func TestReplacedFoldersAreListedOnce(t *testing.T) {
	v := View(fstest.MapFS{"a/x.yml": {}}, map[string][]byte{"a/y.yml": nil, "a/b/z.yml": nil})
	entries, err := fs.ReadDir(v, ".")
	if err != nil || len(entries) != 1 || !entries[0].IsDir() {
		t.Fatalf("entries = %v, %v; want the folder a", entries, err)
	}
	entries, err = fs.ReadDir(v, "a")
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if err != nil || !slices.Equal(names, []string{"b", "x.yml", "y.yml"}) {
		t.Errorf("names = %q, %v", names, err)
	}
}
