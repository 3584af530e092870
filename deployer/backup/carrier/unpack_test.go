//go:build linux

package carrier

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/galley-coop/galley/internal/fault"
)

// stream writes entries whose data is "evil".
func stream(t testing.TB, entries ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	tw := tar.NewWriter(&out)
	for _, hdr := range entries {
		hdr.Format = tar.FormatPAX
		if hdr.Mode == 0 {
			hdr.Mode = 0o755
		}
		if hdr.Typeflag == tar.TypeReg {
			hdr.Size = 4
		}
		must(t, tw.WriteHeader(&hdr))
		if hdr.Typeflag == tar.TypeReg {
			_, err := tw.Write([]byte("evil"))
			must(t, err)
		}
	}
	must(t, tw.Close())
	return out.Bytes()
}

func reg(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name} }
func dir(name string) tar.Header { return tar.Header{Typeflag: tar.TypeDir, Name: name + "/"} }
func sym(name, to string) tar.Header {
	return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to}
}
func hard(name, to string) tar.Header {
	return tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: to}
}

// TestUnpackStaysInside unpacks what somebody made who wants to write outside.
// Whether it is an error or harmless, what is beside the folder stays as it is.
func TestUnpackStaysInside(t *testing.T) {
	const refused, broken, harmless = "refused", "broken", "harmless"
	for name, c := range map[string]struct {
		entries []tar.Header
		want    string
	}{
		"up":                              {[]tar.Header{reg("../outside/kept")}, refused},
		"up in the middle":                {[]tar.Header{dir("a"), reg("a/../../outside/kept")}, refused},
		"up and back inside":              {[]tar.Header{dir("a"), reg("a/../b")}, refused},
		"absolute":                        {[]tar.Header{reg("/tmp/outside/kept")}, refused},
		"empty element":                   {[]tar.Header{reg("//etc/kept")}, refused},
		"folder up":                       {[]tar.Header{dir("../outside/new")}, refused},
		"link up":                         {[]tar.Header{sym("../outside/link", "x")}, refused},
		"through a link":                  {[]tar.Header{sym("l", "../outside"), reg("l/kept")}, broken},
		"through an absolute link":        {[]tar.Header{sym("l", "OUTSIDE"), reg("l/kept")}, broken},
		"through links of links":          {[]tar.Header{sym("a", "b"), sym("b", "../outside"), reg("a/kept")}, broken},
		"through a link deep down":        {[]tar.Header{dir("d"), sym("d/l", "../../outside"), reg("d/l/kept")}, broken},
		"through a link that stays":       {[]tar.Header{dir("d"), sym("l", "d"), reg("l/new")}, broken},
		"a folder's link swapped in":      {[]tar.Header{dir("d"), reg("d/x"), sym("d", "../outside"), reg("d/kept")}, broken},
		"over a link":                     {[]tar.Header{sym("kept", "../outside/kept"), reg("kept")}, harmless},
		"a folder over a link":            {[]tar.Header{sym("l", "../outside"), dir("l"), reg("l/kept")}, harmless},
		"a new folder through a link":     {[]tar.Header{sym("l", "../outside"), dir("l/new")}, broken},
		"hard link up":                    {[]tar.Header{hard("h", "../outside/kept"), reg("h")}, refused},
		"hard link to absolute":           {[]tar.Header{hard("h", "OUTSIDE/kept")}, refused},
		"hard link through a link":        {[]tar.Header{sym("l", "../outside"), hard("h", "l/kept")}, broken},
		"hard link to a link, written":    {[]tar.Header{sym("l", "../outside/kept"), hard("h", "l"), reg("h")}, harmless},
		"hard link to itself":             {[]tar.Header{reg("a"), hard("a", "a")}, harmless},
		"hard link to a folder":           {[]tar.Header{dir("a"), hard("h", "a")}, broken},
		"hard link to nothing":            {[]tar.Header{hard("h", "nothing")}, broken},
		"the root itself as a file":       {[]tar.Header{reg("./.")}, refused},
		"the root itself as a link":       {[]tar.Header{sym(".", "../outside")}, refused},
		"mode of a link's target":         {[]tar.Header{{Typeflag: tar.TypeSymlink, Name: "l", Linkname: "../outside/kept", Mode: 0o7777, Uid: 5, Gid: 5}}, harmless},
		"attribute of a link's target":    {[]tar.Header{{Typeflag: tar.TypeSymlink, Name: "l", Linkname: "../outside/kept", PAXRecords: map[string]string{"SCHILY.xattr.trusted.x": "y"}}}, harmless},
		"sparse up":                       {[]tar.Header{{Typeflag: tar.TypeReg, Name: "a", PAXRecords: map[string]string{hiddenPrefix + "major": "1", hiddenPrefix + "name": "../outside/kept", hiddenPrefix + "realsize": "4"}}}, refused},
		"sparse without a map":            {[]tar.Header{{Typeflag: tar.TypeReg, Name: "a", PAXRecords: map[string]string{hiddenPrefix + "major": "1", hiddenPrefix + "name": "a", hiddenPrefix + "realsize": "4"}}}, broken},
		"a kind that nobody knows":        {[]tar.Header{{Typeflag: 'V', Name: "volume"}}, refused},
		"a file where a folder is needed": {[]tar.Header{reg("a"), reg("a/b")}, broken},
	} {
		t.Run(name, func(t *testing.T) { tryToLeave(t, c.entries, c.want) })
	}
}

// yard is a folder to unpack into with one beside it.
func yard(t testing.TB) (root, outside string) {
	top := folder(t)
	root, outside = filepath.Join(top, "root"), filepath.Join(top, "outside")
	must(t, os.Mkdir(root, 0o755))
	must(t, os.Mkdir(outside, 0o755))
	write(t, "kept", outside, "kept")
	return root, outside
}

func tryToLeave(t *testing.T, entries []tar.Header, want string) {
	asRoot(t)
	root, outside := yard(t)
	for i := range entries {
		entries[i].Linkname = strings.Replace(entries[i].Linkname, "OUTSIDE", outside, 1)
	}
	before := listing(t, outside)
	_, err := Unpack(t.Context(), root, bytes.NewReader(stream(t, entries...)))
	same(t, before, listing(t, outside))
	switch {
	case want == "harmless" && err != nil:
		t.Errorf("failed: %v", err)
	case want != "harmless" && err == nil:
		t.Errorf("no error; there is %q", listing(t, root))
	case want == "refused" && fault.KindOf(err) != fault.Refused:
		t.Errorf("not refused: %v", err)
	}
}

// TestTruncatedStreamIsAnError cuts a stream everywhere a block ends, where
// archive/tar alone may take it for whole, and at other places.
func TestTruncatedStreamIsAnError(t *testing.T) {
	root := folder(t)
	must(t, os.Mkdir(filepath.Join(root, "d"), 0o755))
	write(t, strings.Repeat("x", 3000), root, "d", "a")
	f, err := os.Create(filepath.Join(root, "sparse"))
	must(t, err)
	_, err = f.WriteAt([]byte("data"), 1<<20)
	must(t, err)
	f.Close()
	whole, _ := pack(t, root)
	for cut := 0; cut < len(whole); cut += 256 {
		if _, err := Unpack(t.Context(), folder(t), bytes.NewReader(whole[:cut])); !errors.Is(err, errTruncated) {
			t.Errorf("cut at %d of %d: %v", cut, len(whole), err)
		}
	}
	if _, err := Unpack(t.Context(), folder(t), bytes.NewReader(append(whole, make([]byte, 8192)...))); err != nil {
		t.Errorf("with more zeros behind: %v", err)
	}
	broken := errors.New("the connection broke")
	_, err = Unpack(t.Context(), folder(t), io.MultiReader(bytes.NewReader(whole[:2000]), failing{broken}))
	if !errors.Is(err, broken) {
		t.Errorf("the reader's error became %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error)  { return 0, f.err }
func (f failing) Write([]byte) (int, error) { return 0, f.err }

// TestContextEndsWhatBlocks: nobody reads what is packed, and nothing comes to be
// unpacked.
func TestContextEndsWhatBlocks(t *testing.T) {
	root := folder(t)
	write(t, strings.Repeat("x", 10*chunk), root, "file")
	r, w := io.Pipe()
	defer r.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	told := errors.New("told to end")
	go func() {
		_, _ = io.ReadFull(r, make([]byte, 10)) // it is under way
		cancel(told)
	}()
	if _, err := Pack(ctx, root, nil, w); !errors.Is(err, told) {
		t.Errorf("Pack: %v", err)
	}
	if _, err := Unpack(ctx, folder(t), r); !errors.Is(err, told) {
		t.Errorf("Unpack: %v", err)
	}
	if err := Empty(ctx, root); !errors.Is(err, told) {
		t.Errorf("Empty: %v", err)
	}
	if _, err := Space(ctx, root); !errors.Is(err, told) {
		t.Errorf("Space: %v", err)
	}
}

// FuzzUnpack changes a stream that has one of each kind. Nothing may reach the
// folder beside, and nothing may panic or hang.
func FuzzUnpack(f *testing.F) {
	f.Add(stream(f, dir("a"), reg("a/b"), sym("l", "../outside"), hard("a/h", "a/b"), reg("l/kept")))
	f.Add(stream(f, sym("x", "../outside"), sym("y", "x/kept"), hard("z", "y"), dir("x"), reg("x/kept"), reg("z")))
	root := f.TempDir()
	file, err := os.Create(filepath.Join(root, "sparse"))
	must(f, err)
	_, err = file.WriteAt([]byte("data"), 1<<20)
	must(f, err)
	file.Close()
	var packed bytes.Buffer
	_, err = Pack(f.Context(), root, nil, &packed)
	must(f, err)
	f.Add(packed.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		root, outside := yard(t)
		before := listing(t, outside)
		_, _ = Unpack(t.Context(), root, bytes.NewReader(data))
		same(t, before, listing(t, outside))
	})
}

// TestHugeHolesOfOldFormatsAreRefused: their zeros would be read for years.
func TestHugeHolesOfOldFormatsAreRefused(t *testing.T) {
	root := folder(t)
	must(t, os.Truncate(write(t, "", root, "hole"), 1<<41))
	old := run(t, nil, "tar", "-C", root, "--format=gnu", "--sparse", "--hole-detection=seek", "-cf", "-", "hole")
	if _, err := Unpack(t.Context(), folder(t), bytes.NewReader(old)); fault.KindOf(err) != fault.Refused {
		t.Errorf("%v", err)
	}
}

// TestComingBackToAFolder unpacks a stream whose entries are in no order, as tar
// -r makes them: the folder still has its time, and the file in it inherits
// nothing.
func TestComingBackToAFolder(t *testing.T) {
	asRoot(t)
	root := folder(t)
	at := time.Unix(1_000_000_000, 5)
	d := dir("d")
	d.ModTime, d.Uid, d.PAXRecords = at, 42, map[string]string{attrPrefix + defaultACL: accessList}
	_, err := Unpack(t.Context(), root, bytes.NewReader(stream(t, reg("d/first"), d, reg("other"), reg("d/last"), dir("e"), hard("e/h", "d/last"))))
	must(t, err)
	var st unix.Stat_t
	must(t, unix.Stat(filepath.Join(root, "d"), &st))
	if time.Unix(st.Mtim.Unix()) != at || st.Uid != 42 || !strings.Contains(xattrs(t, filepath.Join(root, "d")), defaultACL) {
		t.Errorf("the folder has %s", describe(t, filepath.Join(root, "d"), "d", nil))
	}
	if got := xattrs(t, filepath.Join(root, "d", "last")); got != "[]" {
		t.Errorf("the file has inherited %s", got)
	}
}

// TestManyPieces carries a file with more pieces than a map may have: its smallest
// holes are zeros then.
func TestManyPieces(t *testing.T) {
	root, to := folder(t), folder(t)
	f, err := os.Create(filepath.Join(root, "pieces"))
	must(t, err)
	for i := range int64(maxExtents + 100) {
		_, err := f.WriteAt([]byte("data"), i*8192)
		must(t, err)
	}
	must(t, f.Truncate(1<<40))
	f.Close()
	packed, _ := pack(t, root)
	_, err = Unpack(t.Context(), to, bytes.NewReader(packed))
	must(t, err)
	want, got := listing(t, root)[1], listing(t, to)[1]
	blocks := regexp.MustCompile(` in \d+ blocks`)
	if want, got = blocks.ReplaceAllString(want, ""), blocks.ReplaceAllString(got, ""); want != got {
		t.Errorf("%s became %s", want, got)
	}
	for _, off := range []int64{0, 8192, 16384 * 8192, (maxExtents + 99) * 8192} {
		var a, b [8192]byte
		readAt(t, filepath.Join(root, "pieces"), a[:], off)
		readAt(t, filepath.Join(to, "pieces"), b[:], off)
		if a != b {
			t.Errorf("the data at %d is another", off)
		}
	}
}

func readAt(t *testing.T, path string, buf []byte, off int64) {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	_, err = f.ReadAt(buf, off)
	must(t, err)
}
