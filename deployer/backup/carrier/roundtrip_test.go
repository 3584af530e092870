//go:build linux

package carrier

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Access lists as the kernel stores them (linux/posix_acl_xattr.h): version 2,
// then tag, permissions and ID of the owner, user 1234, the group, the mask and
// the others.
const accessList = "\x02\x00\x00\x00" +
	"\x01\x00\x06\x00\xff\xff\xff\xff" + "\x02\x00\x06\x00\xd2\x04\x00\x00" +
	"\x04\x00\x04\x00\xff\xff\xff\xff" + "\x10\x00\x06\x00\xff\xff\xff\xff" + "\x20\x00\x00\x00\xff\xff\xff\xff"

// netRaw is cap_net_raw as security.capability holds it.
const netRaw = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

func set(t testing.TB, path, name, value string) {
	t.Helper()
	if err := unix.Lsetxattr(path, name, []byte(value), 0); err != nil {
		t.Fatalf("%s: setting %s: %v", path, name, err)
	}
}

// everything makes a tree of all that a volume may have, but sockets.
func everything(t testing.TB) string {
	t.Helper()
	asRoot(t)
	root := folder(t)
	must(t, os.MkdirAll(filepath.Join(root, "d/deep"), 0o755))
	oddNames(t, root)
	links(t, root)
	owners(t, root)
	attributes(t, root)
	holes(t, root)
	at := time.Date(2020, 2, 2, 2, 2, 2, 1, time.UTC)
	touch(t, filepath.Join(root, "d/deep"), at)
	touch(t, filepath.Join(root, "d"), at.Add(time.Hour))
	touch(t, root, at.Add(2*time.Hour))
	return root
}

func oddNames(t testing.TB, root string) {
	long := strings.Repeat("n", 250)
	deep := filepath.Join(root, long, long, long)
	must(t, os.MkdirAll(deep, 0o711))
	write(t, "long", deep, long)
	for _, name := range []string{"not\xff\xfeUTF-8", "spaces  ", "new\nlines\n\n", " ", "-rf", "ü", "percent%s", "back\\slash", "a=b"} {
		write(t, name, root, name)
	}
}

func links(t testing.TB, root string) {
	a := write(t, "several names", root, "d", "a")
	must(t, os.Link(a, filepath.Join(root, "d", "b")))
	must(t, os.Link(a, filepath.Join(root, "z")))
	symlink := filepath.Join(root, "d", "symlink")
	must(t, os.Symlink("../d/a", symlink))
	must(t, os.Link(symlink, filepath.Join(root, "linked symlink")))
	must(t, os.Symlink(strings.Repeat("/to", 1000), filepath.Join(root, "dangling ")))
	must(t, os.Symlink("d/", filepath.Join(root, "to a folder")))
	must(t, unix.Mkfifo(filepath.Join(root, "fifo"), 0o640))
	must(t, unix.Mknod(filepath.Join(root, "null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	must(t, unix.Mknod(filepath.Join(root, "disk"), unix.S_IFBLK|0o660, int(unix.Mkdev(7, 70000))))
	must(t, os.Link(filepath.Join(root, "fifo"), filepath.Join(root, "fifo 2")))
	touch(t, symlink, time.Unix(981173106, 500))
	touch(t, filepath.Join(root, "fifo"), time.Unix(981173106, 999999999))
}

func owners(t testing.TB, root string) {
	must(t, os.Lchown(filepath.Join(root, "d", "a"), 1<<32-2, 1<<32-3))
	must(t, os.Lchown(filepath.Join(root, "d", "symlink"), 3_000_000, 2_097_152))
	must(t, os.Lchown(filepath.Join(root, "d", "deep"), 2_097_151, 33))
	must(t, os.Lchown(filepath.Join(root, "null"), 5, 6))
	must(t, os.Lchown(root, 999, 998))
	touch(t, filepath.Join(root, "d", "a"), time.Unix(-312768000, 123456789)) // before 1970
	touch(t, filepath.Join(root, "ü"), time.Unix(1<<33, 1))                   // behind 2038 and 2106
	setuid := write(t, "setuid", root, "setuid")
	must(t, os.Lchown(setuid, 1000, 1000))
	must(t, unix.Chmod(setuid, 0o6755))
	must(t, unix.Chmod(filepath.Join(root, "d"), 0o2750))
	must(t, unix.Chmod(filepath.Join(root, "d", "deep"), 0o1777))
	must(t, unix.Chmod(root, 0o710))
	must(t, unix.Chmod(write(t, "nobody may", root, "mode 0"), 0))
}

func attributes(t testing.TB, root string) {
	a, deep := filepath.Join(root, "d", "a"), filepath.Join(root, "d", "deep")
	set(t, a, "user.zeros", "\x00\n\x00=\xff")
	set(t, a, "user.empty", "")
	set(t, a, "user.a=b%c%3D", "the name has an equals sign")
	set(t, a, "user.long", strings.Repeat("x", 2000))
	set(t, a, "system.posix_acl_access", accessList)
	set(t, deep, "user.folder", "yes")
	set(t, deep, "system.posix_acl_default", accessList)
	set(t, root, "user.root", "yes")
	set(t, write(t, "able", root, "able"), "security.capability", netRaw)
	must(t, os.Lchown(write(t, "inherits", deep, "inherits"), 7, 8))
	must(t, unix.Removexattr(write(t, "is plain", deep, "plain"), "system.posix_acl_access"))
	set(t, filepath.Join(root, "d", "symlink"), "trusted.link", "yes")
	set(t, filepath.Join(root, "null"), "trusted.device", "yes")
}

func holes(t testing.TB, root string) {
	sparse := func(name string, size int64, at ...int64) {
		f, err := os.Create(filepath.Join(root, name))
		must(t, err)
		defer f.Close()
		for _, off := range at {
			_, err := f.WriteAt([]byte("data at "+fmt.Sprint(off)), off)
			must(t, err)
		}
		must(t, f.Truncate(size))
	}
	sparse("hole", 3_000_001)
	sparse("terabyte", 1<<40, 0, 500<<30)
	sparse("ends with data", 20<<20+17, 20<<20)
	sparse("many holes", 4<<20, 0, 1<<20, 2<<20, 3<<20)
	sparse(strings.Repeat("s", 255), 1<<20, 4096)
	set(t, filepath.Join(root, "many holes"), "user.sparse", "yes")
	must(t, os.Link(filepath.Join(root, "hole"), filepath.Join(root, "hole 2")))
}

func TestRoundTripKeepsEverything(t *testing.T) {
	root, to := everything(t), folder(t)
	before := listing(t, root)
	stream, packed := pack(t, root)
	if len(stream) > 4<<20 {
		t.Errorf("the stream has %d bytes: the holes are in it", len(stream))
	}
	if packed.SkippedCount != 0 || packed.Bytes != int64(len(stream)) {
		t.Errorf("%+v for %d bytes", packed, len(stream))
	}
	unpacked, err := Unpack(t.Context(), to, bytes.NewReader(stream))
	must(t, err)
	if !reflect.DeepEqual(packed, unpacked) {
		t.Errorf("packed %+v, unpacked %+v", packed, unpacked)
	}
	same(t, before, listing(t, to))
	again, _ := pack(t, root)
	if !bytes.Equal(stream, again) {
		t.Error("the same folder gives another stream the second time")
	}
}

// TestUnpackOverWhatIsThere does what a restore that is repeated does.
func TestUnpackOverWhatIsThere(t *testing.T) {
	root, to := everything(t), folder(t)
	stream, _ := pack(t, root)
	must(t, os.Mkdir(filepath.Join(to, "d"), 0o700))
	must(t, os.Symlink("/etc", filepath.Join(to, "d", "deep"))) // a folder in the stream
	write(t, "in the way", to, "d", "symlink")
	set(t, to, "system.posix_acl_default", accessList) // which files would inherit
	set(t, to, "user.stale", "of what was there before")
	for range 2 {
		_, err := Unpack(t.Context(), to, bytes.NewReader(stream))
		must(t, err)
		same(t, listing(t, root), listing(t, to))
	}
}

func TestGNUTarReadsWhatPackWrites(t *testing.T) {
	root, to := everything(t), folder(t)
	stream, _ := pack(t, root)
	run(t, stream, "tar", "-C", to, "--xattrs", "--xattrs-include=*", "--same-owner", "-pxf", "-")
	same(t, withoutLists(listing(t, root)), withoutLists(listing(t, to)))
}

func TestUnpackReadsWhatGNUTarWrites(t *testing.T) {
	root := everything(t)
	must(t, os.Remove(filepath.Join(root, "fifo 2"))) // GNU tar links files and links only
	want := withoutLists(listing(t, root))
	for _, version := range []string{"1.0", "0.1", "0.0"} {
		t.Run(version, func(t *testing.T) {
			if version == "0.1" { // from here on, archive/tar reads the holes as zeros
				must(t, os.Remove(filepath.Join(root, "terabyte")))
				want = withoutLists(listing(t, root))
			}
			to := folder(t)
			stream := run(t, nil, "tar", "-C", root, "--sparse", "--sparse-version="+version, "--hole-detection=seek", "--xattrs", "--xattrs-include=*", "-cf", "-", ".")
			_, err := Unpack(t.Context(), to, bytes.NewReader(stream))
			must(t, err)
			same(t, want, withoutLists(listing(t, to)))
		})
	}
}

// TestUnpackReadsGNUsOwnFormat: which has no nanoseconds and no attributes.
func TestUnpackReadsGNUsOwnFormat(t *testing.T) {
	root, to := folder(t), folder(t)
	holes(t, root)
	must(t, os.Remove(filepath.Join(root, "terabyte"))) // its zeros would be read through archive/tar
	stream := run(t, nil, "tar", "-C", root, "--format=gnu", "--sparse", "--hole-detection=seek", "-cf", "-", ".")
	if len(stream) > 1<<20 {
		t.Fatalf("GNU tar did not see the holes: %d bytes", len(stream))
	}
	_, err := Unpack(t.Context(), to, bytes.NewReader(stream))
	must(t, err)
	for _, name := range []string{"hole", "many holes", "ends with data"} {
		var want, got unix.Stat_t
		must(t, unix.Stat(filepath.Join(root, name), &want))
		must(t, unix.Stat(filepath.Join(to, name), &got))
		if want.Size != got.Size || want.Blocks != got.Blocks {
			t.Errorf("%s: %d bytes in %d blocks became %d in %d", name, want.Size, want.Blocks, got.Size, got.Blocks)
		}
		if a, b := content(t, filepath.Join(root, name), want.Size), content(t, filepath.Join(to, name), got.Size); a != b {
			t.Errorf("%s: content %s became %s", name, a, b)
		}
	}
}

// withoutLists leaves out the entries with access lists. GNU tar keeps those in
// records of their own, and takes those of others only with --acls.
func withoutLists(lines []string) []string {
	var kept []string
	for _, line := range lines {
		if !strings.Contains(line, "posix_acl") {
			kept = append(kept, line)
		}
	}
	return kept
}

func TestSocketsAreTold(t *testing.T) {
	root := folder(t)
	listener, err := net.Listen("unix", filepath.Join(root, "sock"))
	must(t, err)
	defer listener.Close()
	write(t, "x", root, "file")
	stream, sum := pack(t, root)
	if sum.SkippedCount != 1 || len(sum.Skipped) != 1 || !strings.HasPrefix(sum.Skipped[0], "sock: a socket") || sum.Files != 1 {
		t.Errorf("%+v", sum)
	}
	if bytes.Contains(stream, []byte("./sock")) {
		t.Error("the socket is in the stream")
	}
}

func TestCopyKeepsEverything(t *testing.T) {
	root, to := everything(t), folder(t)
	sum, err := Copy(t.Context(), root, to)
	must(t, err)
	if sum.Files == 0 || sum.SkippedCount != 0 {
		t.Errorf("%+v", sum)
	}
	same(t, listing(t, root), listing(t, to))
}

func TestEmptyRemovesAllBelow(t *testing.T) {
	root, outside := everything(t), folder(t)
	kept := write(t, "kept", outside, "kept")
	must(t, os.Symlink(outside, filepath.Join(root, "out")))
	must(t, os.Symlink(kept, filepath.Join(root, "out file")))
	before := describe(t, root, ".", nil)
	must(t, Empty(t.Context(), root))
	if after := listing(t, root); len(after) != 1 || strings.Fields(after[0])[1] != strings.Fields(before)[1] {
		t.Errorf("left: %v, where %s was", after, before)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
}

func TestSpaceCountsLinksOnceAndNoHoles(t *testing.T) {
	root := folder(t)
	write(t, strings.Repeat("x", 1<<20), root, "a")
	must(t, os.Link(filepath.Join(root, "a"), filepath.Join(root, "b")))
	must(t, os.Mkdir(filepath.Join(root, "d"), 0o755))
	f, err := os.Create(filepath.Join(root, "d", "hole"))
	must(t, err)
	must(t, f.Truncate(1<<40))
	f.Close()
	usage, err := Space(t.Context(), root)
	must(t, err)
	if usage.Used < 1<<20 || usage.Used > 1<<20+64<<10 || usage.Files != 3 || usage.Free <= 0 {
		t.Errorf("%+v", usage)
	}
}
