package backups

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/docker/docker/api/types/container"
)

// files is how many small files the volume has.
const files = 200_000

// TestEverythingThatAVolumeHolds has a volume with 200,000 small files, sparse files, links of
// both kinds, attributes, owners that this machine does not know, fifos and devices come
// back from a total loss exactly as it was.
func TestEverythingThatAVolumeHolds(t *testing.T) {
	t.Parallel()
	isRoot(t)
	a := newApp(t, useStage(t), "tree")
	began := time.Now()
	layOut(t, a.volume("data"))
	want := treeOf(t, a.volume("data"))
	t.Logf("%d entries laid out within %v", len(want), time.Since(began))
	began = time.Now()
	run := a.backUp("--without-secrets")
	t.Logf("backed up within %v", time.Since(began))
	a.loseVolume("data")
	began = time.Now()
	a.restore(run)
	t.Logf("restored within %v", time.Since(began))
	got := treeOf(t, a.volume("data"))
	wrong := 0
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] && wrong < 20 {
			wrong++
			t.Errorf("%q is\n  %s, it was\n  %s", name, got[name], want[name])
		}
		delete(got, name)
	}
	for name := range got {
		t.Errorf("%q was not there: %s", name, got[name])
	}
}

// loseVolume undeploys the app and removes the volume.
func (a *app) loseVolume(key string) {
	a.t.Helper()
	a.must("undeploy", a.domain, "--yes")
	ctx := context.Background()
	eventually(a.t, "the containers' end", func() bool {
		left, err := a.local.ContainerList(ctx, container.ListOptions{All: true, Filters: label("com.docker.stack.namespace=" + a.stack)})
		return err == nil && len(left) == 0
	})
	if err := a.local.VolumeRemove(ctx, a.stack+"_"+key, false); err != nil {
		a.t.Fatal(err)
	}
}

// layOut fills a volume.
func layOut(t *testing.T, dir string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	const inOne = 1000
	for i := range files / inOne {
		below := path(fmt.Sprintf("many/%03d", i))
		must(os.MkdirAll(below, 0o755))
		for k := range inOne {
			must(os.WriteFile(filepath.Join(below, fmt.Sprintf("file %03d", k)), fmt.Appendf(nil, "%d of %d", k, i), 0o640))
		}
	}
	must(os.MkdirAll(path("odd"), 0o700))
	must(os.WriteFile(path("odd/name \xff\n"), []byte("not UTF-8"), 0o600))
	must(os.WriteFile(path("odd/"+strings.Repeat("n", 255)), nil, 0o600))
	holes(t, path("odd/sparse"), 1<<30, 0, 300<<20, 1<<30-4096)
	holes(t, path("odd/empty hole"), 64<<20)
	must(os.Symlink("/nowhere/at all", path("odd/dangling")))
	must(os.Symlink("sparse", path("odd/link")))
	must(os.Lchown(path("odd/link"), 4_000_000_000, 3_000_000_000))
	must(os.WriteFile(path("odd/first"), []byte("several names"), 0o4755))
	must(os.Link(path("odd/first"), path("odd/second")))
	must(os.Link(path("odd/first"), path("many/third")))
	must(os.Chown(path("odd/first"), 4_000_000_000, 4_000_000_001))
	must(os.Chmod(path("odd/first"), fs.ModeSetuid|fs.ModeSetgid|0o755))
	must(unix.Mkfifo(path("odd/fifo"), 0o622))
	must(unix.Mknod(path("odd/null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	must(unix.Mknod(path("odd/block"), unix.S_IFBLK|0o660, int(unix.Mkdev(7, 200))))
	must(os.WriteFile(path("odd/attributes"), []byte("x"), 0o644))
	must(unix.Setxattr(path("odd/attributes"), "user.note", []byte("of the user\x00with a zero"), 0))
	// VFS_CAP_REVISION_2 with cap_net_bind_service, permitted and effective.
	must(unix.Setxattr(path("odd/attributes"), "security.capability", []byte{1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0))
	must(os.MkdirAll(path("odd/sticky"), 0o700))
	must(unix.Setxattr(path("odd/sticky"), "user.folder", []byte("yes"), 0))
	must(os.Chown(path("odd/sticky"), 1, 4_294_967_290))
	must(os.Chmod(path("odd/sticky"), fs.ModeSticky|fs.ModeSetgid|0o777))
	past := time.Date(1999, 12, 31, 23, 59, 59, 123_456_789, time.UTC)
	must(os.Chtimes(path("odd/attributes"), past, past))
	must(os.Chtimes(path("odd"), past, past))
}

// holes makes a file of a size with a block of data at each place.
func holes(t *testing.T, name string, size int64, at ...int64) {
	t.Helper()
	f, err := os.Create(name)
	if err == nil {
		err = f.Truncate(size)
	}
	for _, offset := range at {
		if err == nil {
			_, err = f.WriteAt(bytes.Repeat([]byte("data"), 1024), offset)
		}
	}
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// treeOf describes all that is in a folder, by name.
func treeOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	tree := map[string]string{}
	first := map[uint64]string{} // name by inode: WalkDir goes by the order of names
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		tree[rel], err = describe(path, &st)
		if st.Nlink > 1 && st.Mode&unix.S_IFMT != unix.S_IFDIR {
			if first[st.Ino] == "" {
				first[st.Ino] = rel
			}
			tree[rel] += " is " + first[st.Ino]
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// describe tells all of an entry that is to come back.
func describe(path string, st *unix.Stat_t) (string, error) {
	text := fmt.Sprintf("mode %o owner %d:%d time %d.%09d", st.Mode, st.Uid, st.Gid, st.Mtim.Sec, st.Mtim.Nsec)
	attrs, err := attributes(path)
	if err != nil {
		return "", err
	}
	text += attrs
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		target, err := os.Readlink(path)
		return text + " to " + target, err
	case unix.S_IFCHR, unix.S_IFBLK:
		return text + fmt.Sprintf(" device %d", st.Rdev), nil
	case unix.S_IFREG:
		return text + fmt.Sprintf(" size %d on disk %d %s", st.Size, st.Blocks*512, digest(path, st)), nil
	}
	return text, nil
}

func attributes(path string) (string, error) {
	list := make([]byte, 4096)
	n, err := unix.Llistxattr(path, list)
	if err != nil || n == 0 {
		return "", err
	}
	text := ""
	names := strings.Split(strings.TrimSuffix(string(list[:n]), "\x00"), "\x00")
	for _, name := range slices.Sorted(slices.Values(names)) {
		value := make([]byte, 4096)
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		text += fmt.Sprintf(" %s=%q", name, value[:n])
	}
	return text, nil
}

// digest is of a file's data: of a large one, which is sparse, of its pieces.
func digest(path string, st *unix.Stat_t) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	sum := sha256.New()
	buf := make([]byte, min(st.Size, 1<<20))
	for at := int64(0); at < st.Size; {
		if at, err = unix.Seek(int(f.Fd()), at, unix.SEEK_DATA); err != nil { // a hole up to its end
			break
		}
		n, _ := f.ReadAt(buf, at)
		fmt.Fprintf(sum, "%d:", at)
		sum.Write(buf[:n])
		at += int64(n)
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:8])
}
