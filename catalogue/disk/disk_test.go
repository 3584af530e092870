package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func create(t *testing.T) *Dir {
	t.Helper()
	d, err := Create(filepath.Join(t.TempDir(), "a", "b"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func TestWriteReadListRemove(t *testing.T) {
	d := create(t)
	for _, data := range []string{"first", "second"} {
		if err := d.Write("x/y.json", []byte(data)); err != nil {
			t.Fatal(err)
		}
		got, err := d.Read("x/y.json", 100)
		if err != nil || string(got) != data {
			t.Errorf("read %q, %v, expected %q", got, err, data)
		}
	}
	if err := d.Write("x.json", nil); err != nil {
		t.Fatal(err)
	}
	files, err := d.List(10)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]File{{"x.json", true}, {"x/y.json", true}}, files); diff != "" {
		t.Error(diff)
	}
	if err := errors.Join(d.Sync("x"), d.Sync("."), d.Sync("not there"), d.Sweep(), d.Remove("x.json"), d.Remove("x.json")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(d.Name(), Scratch)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the scratch folder is there: %v", err)
	}
	if _, err := d.List(0); err == nil {
		t.Error("a list over its limit is no error")
	}
}

func TestReadRefuses(t *testing.T) {
	d := create(t)
	outside := filepath.Join(filepath.Dir(d.Name()), "secret")
	for _, err := range []error{
		os.WriteFile(outside, []byte("secret"), 0o600),
		os.Symlink(outside, filepath.Join(d.Name(), "link")),
		os.Symlink("../secret", filepath.Join(d.Name(), "relative")),
		os.Mkdir(filepath.Join(d.Name(), "folder"), 0o755),
		syscall.Mkfifo(filepath.Join(d.Name(), "pipe"), 0o644),
		d.Write("file", []byte("12345")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"link", "relative", "folder", "pipe", "../secret", "/etc/passwd", "", "."} {
		if data, err := d.Read(name, 100); err == nil {
			t.Errorf("%q was read: %q", name, data)
		}
	}
	for _, name := range []string{"none", "none/none", "file/below"} {
		if _, err := d.Read(name, 100); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: error %v, expected that it does not exist", name, err)
		}
	}
	if _, err := d.Read("file", 4); !errors.Is(err, ErrTooLarge) {
		t.Errorf("error %v, expected ErrTooLarge", err)
	}
	if data, err := d.Read("file", 5); err != nil || string(data) != "12345" {
		t.Errorf("read %q, %v", data, err)
	}
}

func TestWriteStaysInside(t *testing.T) {
	d := create(t)
	if err := os.Symlink("..", filepath.Join(d.Name(), "up")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../x", "up/x", "/tmp/galley-x"} {
		if err := d.Write(name, []byte("x")); err == nil {
			t.Errorf("%q was written", name)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(d.Name()))
	if err != nil || len(entries) != 1 {
		t.Errorf("%d entries beside the folder, %v", len(entries)-1, err)
	}
}
