package lint

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galley-coop/galley/internal/fault"
)

func TestWriteKeepsModesAndFollowsLinks(t *testing.T) {
	dir := tree(t, map[string]string{"r/real.yml": stack, "r/.env.sample": "A=latest\n"})
	if err := os.Symlink("real.yml", filepath.Join(dir, "r", "compose.yml")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "r", "real.yml"), 0o640); err != nil {
		t.Fatal(err)
	}
	r := fixed(t, load(t, LoadOptions{}, dir), FixOptions{}, Options{}, swap("R001", "latest", "1.27", true))
	if err := r.Write(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, dir, "r/real.yml"); !strings.Contains(got, "1.27") {
		t.Errorf("what the link leads to = %q", got)
	}
	if info, err := os.Lstat(filepath.Join(dir, "r", "compose.yml")); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(filepath.Join(dir, "r", "real.yml")); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode = %v, %v", info.Mode(), err)
	}
	if entries, err := os.ReadDir(filepath.Join(dir, "r")); err != nil || len(entries) != 3 {
		t.Errorf("entries = %v, %v; want nothing left beside", entries, err)
	}
}

func TestWriteRefusesWhatIsNotWhatWasLinted(t *testing.T) {
	dir := tree(t, map[string]string{"compose.yml": stack, "compose.x.yml": stack})
	r := fixed(t, load(t, LoadOptions{}, dir), FixOptions{}, Options{}, swap("R001", "latest", "1.27", true))
	write(t, dir, "compose.yml", stack+"# by somebody else\n")
	if err := r.Write(); err == nil || !strings.Contains(err.Error(), "has changed since it was linted") || fault.HintOf(err) != "nothing was changed" {
		t.Errorf("error = %v, want it refused", err)
	}
	if got := read(t, dir, "compose.x.yml"); got != stack {
		t.Errorf("the other file = %q, want nothing written at all", got)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("entries = %v, want nothing left beside", entries)
	}
}

func TestWriteRefusesALinkThatLeadsOut(t *testing.T) {
	dir := tree(t, map[string]string{"in/compose.yml": stack, "out.yml": stack})
	r := fixed(t, load(t, LoadOptions{}, dir+"/in"), FixOptions{}, Options{}, swap("R001", "latest", "1.27", true))
	name := filepath.Join(dir, "in", "compose.yml")
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../out.yml", name); err != nil {
		t.Fatal(err)
	}
	if err := r.Write(); fault.KindOf(err) != fault.Refused {
		t.Errorf("error = %v, want it refused", err)
	}
	if got := read(t, dir, "out.yml"); got != stack {
		t.Errorf("outside = %q", got)
	}
}

func TestWhatIsNotOnDiskIsNotWritten(t *testing.T) {
	r := fixed(t, []Target{target(t, map[string]string{"compose.yml": stack})}, FixOptions{}, Options{}, swap("R001", "latest", "1.27", true))
	if err := r.Write(); err == nil || !strings.Contains(err.Error(), "not on disk") {
		t.Errorf("error = %v", err)
	}
}
