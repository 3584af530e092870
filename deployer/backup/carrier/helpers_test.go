//go:build linux

package carrier

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// lacking skips a test, or fails it where nothing may be skipped.
func lacking(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

func asRoot(t testing.TB) {
	t.Helper()
	if os.Getuid() != 0 {
		lacking(t, "only root may give files away")
	}
}

// folder makes an empty folder on a file system that has users' attributes.
func folder(t testing.TB) string {
	t.Helper()
	for _, in := range []string{os.TempDir(), "/var/tmp", "/dev/shm", "."} {
		dir, err := os.MkdirTemp(in, "carrier")
		if err != nil {
			continue
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		if unix.Setxattr(dir, "user.test", []byte("x"), 0) == nil {
			must(t, unix.Removexattr(dir, "user.test"))
			return dir
		}
	}
	lacking(t, "no file system here has extended attributes of users")
	return ""
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, content string, path ...string) string {
	t.Helper()
	name := filepath.Join(path...)
	must(t, os.WriteFile(name, []byte(content), 0o644))
	return name
}

// touch sets a time of a file, folder or link.
func touch(t testing.TB, path string, at time.Time) {
	t.Helper()
	ts := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Sec: at.Unix(), Nsec: int64(at.Nanosecond())}}
	must(t, unix.UtimesNanoAt(unix.AT_FDCWD, path, ts, unix.AT_SYMLINK_NOFOLLOW))
}

// listing describes a tree, a line for each entry, with all that should survive.
func listing(t testing.TB, root string) []string {
	t.Helper()
	var lines []string
	first := map[uint64]string{}
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		lines = append(lines, describe(t, path, rel, first))
		return nil
	})
	must(t, err)
	return lines
}

func describe(t testing.TB, path, rel string, first map[uint64]string) string {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Lstat(path, &st))
	line := fmt.Sprintf("%q %#o %d:%d %d.%09d %s", rel, st.Mode, st.Uid, st.Gid, st.Mtim.Sec, st.Mtim.Nsec, xattrs(t, path))
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return line
	}
	if _, known := first[st.Ino]; !known {
		first[st.Ino] = rel
	}
	line += fmt.Sprintf(" same as %q, device %d", first[st.Ino], st.Rdev)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		target, err := os.Readlink(path)
		must(t, err)
		line += fmt.Sprintf(" to %q", target)
	case unix.S_IFREG:
		line += fmt.Sprintf(" %d bytes in %d blocks, %s", st.Size, st.Blocks, content(t, path, st.Size))
	}
	return line
}

// content is a hash of a file's data; of a huge one, of its two ends.
func content(t testing.TB, path string, size int64) string {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	h := sha256.New()
	buf := make([]byte, 64<<10)
	for off := int64(0); off < size; {
		n, err := f.ReadAt(buf, off)
		h.Write(buf[:n])
		if err != nil {
			break
		}
		if off += int64(n); size > 1<<30 && off < size-int64(len(buf)) {
			off = size - int64(len(buf))
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:8])
}

func xattrs(t testing.TB, path string) string {
	t.Helper()
	buf := make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, buf)
	must(t, err)
	var all []string
	for _, name := range strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		if name == "" {
			continue
		}
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(path, name, value)
		must(t, err)
		all = append(all, fmt.Sprintf("%q=%q", name, value[:n]))
	}
	slices.Sort(all)
	return fmt.Sprint(all)
}

// same fails with the lines that differ.
func same(t testing.TB, want, got []string) {
	t.Helper()
	in := func(list []string) map[string]bool {
		set := map[string]bool{}
		for _, line := range list {
			set[line] = true
		}
		return set
	}
	wanted, gotten := in(want), in(got)
	for _, line := range want {
		if !gotten[line] {
			t.Errorf("lost:  %s", line)
		}
	}
	for _, line := range got {
		if !wanted[line] {
			t.Errorf("extra: %s", line)
		}
	}
}

// pack packs root and returns the stream.
func pack(t testing.TB, root string, paths ...string) ([]byte, Summary) {
	t.Helper()
	var stream bytes.Buffer
	sum, err := Pack(t.Context(), root, paths, &stream)
	must(t, err)
	return stream.Bytes(), sum
}

func run(t testing.TB, stdin []byte, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, stderr.String())
	}
	return out
}
