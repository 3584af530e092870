//go:build linux

package carrier

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/galley-coop/galley/internal/fault"
)

func TestPackOfPaths(t *testing.T) {
	asRoot(t)
	root := folder(t)
	must(t, os.MkdirAll(filepath.Join(root, "a/b/c"), 0o700))
	must(t, os.Mkdir(filepath.Join(root, "other"), 0o700))
	must(t, os.Symlink("a", filepath.Join(root, "link")))
	for _, name := range []string{"a/no", "a/b/yes", "a/b/c/yes", "other/no", "z"} {
		write(t, name, root, name)
	}
	must(t, os.Chown(filepath.Join(root, "a"), 11, 12))
	packed, sum := pack(t, root, "a/b/c/", "z", "./a/b", "a/b")
	to := folder(t)
	_, err := Unpack(t.Context(), to, bytes.NewReader(packed))
	must(t, err)
	var want []string
	for _, line := range listing(t, root) {
		if !strings.Contains(line, "no\"") && !strings.Contains(line, `"other"`) && !strings.Contains(line, `"link"`) {
			want = append(want, line)
		}
	}
	same(t, want, listing(t, to))
	if sum.Files != 3 {
		t.Errorf("%+v", sum)
	}
	for path, kind := range map[string]fault.Kind{
		"../x": fault.Usage, "/a": fault.Usage, "": fault.Usage,
		"missing": fault.Unavailable, "a/missing": fault.Unavailable, "link/b": fault.Unavailable, "z/below": fault.Unavailable,
	} {
		if _, err := Pack(t.Context(), root, []string{path}, &bytes.Buffer{}); err == nil || fault.KindOf(err) != kind {
			t.Errorf("path %q: %v", path, err)
		}
	}
}

// meanwhile does something when the first bytes pass.
type meanwhile struct {
	bytes.Buffer
	do func()
}

func (m *meanwhile) Write(p []byte) (int, error) {
	if m.do != nil {
		m.do()
		m.do = nil
	}
	return m.Buffer.Write(p)
}

// TestPackOfFilesInUse changes files behind what is being read: more than the
// chunks that are under way.
func TestPackOfFilesInUse(t *testing.T) {
	root, to := folder(t), folder(t)
	const size = 4 * chunks * chunk
	first := write(t, strings.Repeat("x", size), root, "a shrinks")
	last := write(t, "x", root, "b vanishes")
	must(t, os.Mkdir(filepath.Join(root, "c vanishes"), 0o755))
	out := &meanwhile{do: func() {
		must(t, os.Truncate(first, size-1000))
		must(t, os.Remove(last))
		must(t, os.Remove(filepath.Join(root, "c vanishes")))
	}}
	sum, err := Pack(t.Context(), root, nil, out)
	must(t, err)
	want := []string{
		"a shrinks: it shrank by 1000 bytes while it was read; they are zeros in the backup",
		"b vanishes: it vanished while the folder was read", "c vanishes: it vanished while the folder was read",
	}
	if !slices.Equal(sum.Skipped, want) || sum.SkippedCount != 3 || sum.Files != 1 {
		t.Errorf("%+v", sum)
	}
	_, err = Unpack(t.Context(), to, bytes.NewReader(out.Bytes()))
	must(t, err)
	got, err := os.ReadFile(filepath.Join(to, "a shrinks"))
	must(t, err)
	if string(got) != strings.Repeat("x", size-1000)+strings.Repeat("\x00", 1000) {
		t.Error("the file that shrank is not filled up with zeros")
	}
}

// TestPackOfFileThatGrows keeps the size that the header has.
func TestPackOfFileThatGrows(t *testing.T) {
	root, to := folder(t), folder(t)
	const size = 4 * chunks * chunk
	name := write(t, strings.Repeat("x", size), root, "grows")
	out := &meanwhile{do: func() {
		f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
		must(t, err)
		defer f.Close()
		_, err = f.WriteString("more")
		must(t, err)
	}}
	sum, err := Pack(t.Context(), root, nil, out)
	must(t, err)
	_, err = Unpack(t.Context(), to, bytes.NewReader(out.Bytes()))
	must(t, err)
	if info, err := os.Stat(filepath.Join(to, "grows")); err != nil || info.Size() != size || sum.Content != size {
		t.Errorf("%v, %v, %+v", info.Size(), err, sum)
	}
}

func TestPackTellsThatNobodyTakesTheStream(t *testing.T) {
	root := folder(t)
	write(t, strings.Repeat("x", 10*chunk), root, "file")
	full := errors.New("no space left")
	if _, err := Pack(t.Context(), root, nil, failing{full}); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
}

// TestManyTold keeps the list of what was skipped short, and its number true.
func TestManyTold(t *testing.T) {
	var sum Summary
	for i := range 50 {
		sum.tell(fmt.Sprint(i), "a socket")
	}
	if len(sum.Skipped) != maxTold || sum.SkippedCount != 50 {
		t.Errorf("%+v", sum)
	}
}
