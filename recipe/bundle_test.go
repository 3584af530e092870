package recipe

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/galley-coop/galley/internal/fault"
)

func bundleSample() fstest.MapFS {
	return fstest.MapFS{
		"compose.yml":   {Data: []byte("services:\n  app:\n    image: nginx:1.27\n"), ModTime: time.Unix(1e9, 0), Mode: 0o600},
		"abra.sh":       {Data: []byte("export CONF_VERSION=v1\n"), Mode: 0o775},
		"release/next":  {Data: []byte("notes\n")},
		"release.txt":   {Data: nil},
		"läng/ß.tmpl":   {Data: []byte("é")},
		"empty/folder":  {Mode: fs.ModeDir},
		longPath():      {Data: []byte("deep")},
		"nul-bytes.bin": {Data: make([]byte, 1500)},
	}
}

// longPath does not fit the name fields of USTAR, so that a PAX header is needed.
func longPath() string {
	return strings.Repeat("x", 120) + "/" + strings.Repeat("y", 120)
}

func bundleOf(t testing.TB, fsys fs.FS) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := WriteBundle(&b, fsys); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestBundleRoundTrip(t *testing.T) {
	files := bundleSample()
	data := bundleOf(t, files)
	fsys, err := ReadBundle(data)
	if err != nil {
		t.Fatal(err)
	}
	delete(files, "empty/folder")
	var names []string
	for name, file := range files {
		names = append(names, name)
		got, err := fs.ReadFile(fsys, name)
		if err != nil || !bytes.Equal(got, file.Data) {
			t.Errorf("file %q = %q, %v; want %q", name, got, err, file.Data)
		}
	}
	if err := fstest.TestFS(fsys, names...); err != nil {
		t.Error(err)
	}
	if again := bundleOf(t, fsys); !bytes.Equal(again, data) {
		t.Error("the bundle of a read bundle is not the same bytes")
	}
	for name, want := range map[string]fs.FileMode{"abra.sh": 0o755, "compose.yml": 0o644} {
		if info, err := fs.Stat(fsys, name); err != nil || info.Mode() != want {
			t.Errorf("mode of %q = %v, %v; want %v", name, info, err, want)
		}
	}
}

// The digest of a bundle is what a catalogue publishes. When a new Go release
// writes tar differently this test fails, and published bundles need thought.
func TestBundleBytesAreStable(t *testing.T) {
	const want = "f4afcb71402e653856bfb1b0011be1ad4c309bd5f7db20bbbb47357b18de88d2"
	sum := sha256.Sum256(bundleOf(t, bundleSample()))
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("sha256 of the sample bundle = %s, want %s", got, want)
	}
}

func TestBundleOfFolderAndMapAreEqual(t *testing.T) {
	dir := t.TempDir()
	files := bundleSample()
	for name, file := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if file.Mode.IsDir() {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, file.Data, file.Mode.Perm()|0o400); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(bundleOf(t, os.DirFS(dir)), bundleOf(t, files)) {
		t.Error("the bundles of a folder and of the same files in memory differ")
	}
}

func TestWriteBundleRefuses(t *testing.T) {
	tooMany := fstest.MapFS{}
	for i := range MaxBundleFiles + 1 {
		tooMany[fmt.Sprintf("f%d", i)] = &fstest.MapFile{}
	}
	tooBig := fstest.MapFS{}
	for i := range 4 {
		tooBig[fmt.Sprintf("f%d", i)] = &fstest.MapFile{Data: make([]byte, MaxBundleFileSize)}
	}
	for reason, files := range map[string]fstest.MapFS{
		`"link" is a symlink`:           {"link": {Data: []byte("abra.sh"), Mode: fs.ModeSymlink}},
		`"sub/mod" is a submodule`:      {"sub/mod": {Mode: fs.ModeIrregular}},
		`"pipe" is an irregular`:        {"pipe": {Mode: fs.ModeNamedPipe}},
		`"null" is a device`:            {"null": {Mode: fs.ModeDevice | fs.ModeCharDevice}},
		"control character":             {"a\nb": {}},
		"backslash":                     {`a\b`: {}},
		"git's own":                     {".git/config": {}},
		"more than 10000 files":         tooMany,
		"is larger than 16777216 bytes": {"big": {Data: make([]byte, MaxBundleFileSize+1)}},
		": larger than 67108864 bytes":  tooBig,
	} {
		err := WriteBundle(io.Discard, files)
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("error = %v, want one with %q", err, reason)
		}
		if !errors.Is(err, ErrBundle) {
			t.Errorf("error %v is no ErrBundle", err)
		}
	}
}

func TestWriteBundleRefusesARealSymlink(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "host")); err != nil {
		t.Fatal(err)
	}
	err := WriteBundle(io.Discard, os.DirFS(dir))
	if err == nil || !strings.Contains(err.Error(), `"host" is a symlink`) || fault.HintOf(err) == "" {
		t.Errorf("error = %v, hint %q", err, fault.HintOf(err))
	}
}

// tarEntry is one header and content for a tar that WriteBundle would not write.
type tarEntry struct {
	header tar.Header
	data   string
}

func tarOf(t testing.TB, entries ...tarEntry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		if e.header.Mode == 0 {
			e.header.Mode = 0o644
		}
		e.header.Size = int64(len(e.data))
		if err := w.WriteHeader(&e.header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func tarFile(name string) tarEntry { return tarEntry{header: tar.Header{Name: name}, data: name} }

func TestReadBundleRefuses(t *testing.T) {
	good := tarOf(t, tarFile("a"), tarFile("b"))
	flipped := bytes.Clone(good)
	flipped[300] ^= 1 // in the padding of the first header: breaks its checksum
	for name, c := range map[string]struct {
		data   []byte
		reason string
	}{
		"nothing":          {nil, "one way"},
		"no tar":           {[]byte("<html>" + strings.Repeat(" ", 600)), "invalid tar header"},
		"cut off":          {good[:512], "unexpected EOF"},
		"no end blocks":    {good[:2048], "one way"},
		"trailing garbage": {append(bytes.Clone(good), "garbage"...), "7 bytes follow"},
		"trailing zeros":   {append(bytes.Clone(good), make([]byte, 512)...), "512 bytes follow"},
		"second archive":   {append(bytes.Clone(good), good...), "bytes follow"},
		"flipped byte":     {flipped, "invalid tar header"},
		"unsorted":         {tarOf(t, tarFile("b"), tarFile("a")), "one way"},
		"duplicate":        {tarOf(t, tarFile("a"), tarFile("a")), `"a" occurs twice`},
		"file and folder":  {tarOf(t, tarFile("a"), tarFile("a/b")), "both a file and a folder"},
		"escaping":         {tarOf(t, tarFile("../a")), "not a file's name"},
		"absolute":         {tarOf(t, tarFile("/a")), "not a file's name"},
		"dot prefix":       {tarOf(t, tarFile("./a")), "not a file's name"},
		"folder":           {tarOf(t, tarEntry{header: tar.Header{Name: "d/", Typeflag: tar.TypeDir}}), "no regular file"},
		"symlink":          {tarOf(t, tarEntry{header: tar.Header{Name: "l", Linkname: "a", Typeflag: tar.TypeSymlink}}), "no regular file"},
		"hard link":        {tarOf(t, tarFile("a"), tarEntry{header: tar.Header{Name: "l", Linkname: "a", Typeflag: tar.TypeLink}}), "no regular file"},
		"device":           {tarOf(t, tarEntry{header: tar.Header{Name: "n", Typeflag: tar.TypeChar}}), "no regular file"},
		"owner":            {tarOf(t, tarEntry{header: tar.Header{Name: "a", Uid: 1000}}), "one way"},
		"owner's name":     {tarOf(t, tarEntry{header: tar.Header{Name: "a", Uname: "root"}}), "one way"},
		"time":             {tarOf(t, tarEntry{header: tar.Header{Name: "a", ModTime: time.Unix(1, 0)}}), "one way"},
		"setuid":           {tarOf(t, tarEntry{header: tar.Header{Name: "a", Mode: 0o4755}}), "one way"},
		"other mode":       {tarOf(t, tarEntry{header: tar.Header{Name: "a", Mode: 0o600}}), "one way"},
		"extra PAX record": {tarOf(t, tarEntry{header: tar.Header{Name: "a", PAXRecords: map[string]string{"GALLEY.x": "y"}}}), "one way"},
		"GNU format":       {tarOf(t, tarEntry{header: tar.Header{Name: "a", Format: tar.FormatGNU}}), "one way"},
		"too large":        {make([]byte, MaxBundleSize+1), "larger than 67108864"},
	} {
		_, err := ReadBundle(c.data)
		if err == nil || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%s: error = %v, want one with %q", name, err, c.reason)
			continue
		}
		if !errors.Is(err, ErrBundle) || fault.KindOf(err) != fault.Refused {
			t.Errorf("%s: error %v is not a refused ErrBundle", name, err)
		}
	}
}

func TestReadBundleBoundsSparseFiles(t *testing.T) {
	for size, reason := range map[string]string{
		"1099511627776": "is larger than",
		"16777216":      "claims more bytes than the archive has",
		"512":           "one way",
	} {
		// The writer refuses sparse records, so they are renamed into place.
		sparse := tarOf(t, tarEntry{
			header: tar.Header{Name: "a", PAXRecords: map[string]string{
				"XNU.sparse.major": "1", "XNU.sparse.minor": "0", "XNU.sparse.realsize": size, "XNU.sparse.name": "a",
			}},
			data: "0\n" + strings.Repeat("\x00", 510),
		})
		_, err := ReadBundle(bytes.ReplaceAll(sparse, []byte("XNU."), []byte("GNU.")))
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("sparse file of %s bytes: error = %v, want one with %q", size, err, reason)
		}
	}
}

func TestReadBundleRefusesEveryFlippedByte(t *testing.T) {
	files := fstest.MapFS{"a": {Data: []byte("content")}, longPath(): {Data: []byte("x")}}
	data := bundleOf(t, files)
	original, err := ReadBundle(data)
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		damaged := bytes.Clone(data)
		damaged[i] ^= 0x20
		fsys, err := ReadBundle(damaged)
		if err == nil && sameBundle(t, fsys, original) {
			t.Fatalf("with byte %d flipped the bundle still reads as the same files", i)
		}
	}
}

func sameBundle(t *testing.T, a, b fs.FS) bool {
	return bytes.Equal(bundleOf(t, a), bundleOf(t, b))
}

func FuzzReadBundle(f *testing.F) {
	f.Add([]byte{})
	f.Add(bundleOf(f, bundleSample()))
	f.Add(bundleOf(f, fstest.MapFS{}))
	f.Add(tarOf(f, tarFile("a"), tarFile("a/b")))
	f.Add(tarOf(f, tarEntry{header: tar.Header{Name: "l", Linkname: "../../etc", Typeflag: tar.TypeSymlink}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		fsys, err := ReadBundle(data)
		if err != nil {
			return
		}
		if !bytes.Equal(bundleOf(t, fsys), data) {
			t.Error("a bundle that reads does not write back to the same bytes")
		}
	})
}
