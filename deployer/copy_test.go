package deployer

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/galley-coop/galley/internal/fault"
)

// hostile makes an archive of headers; regular files hold their own names.
func hostile(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range headers {
		content := ""
		if h.Typeflag == tar.TypeReg {
			content = h.Name
		}
		h.Size, h.Mode = int64(len(content)), 0o7755
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// tree lists what is below a folder: names with modes, contents and targets.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(dir, func(file string, e fs.DirEntry, err error) error {
		if err != nil || file == dir {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		line := strings.TrimPrefix(file, dir+"/") + " " + info.Mode().String()
		switch {
		case info.Mode().IsRegular():
			data, _ := os.ReadFile(file)
			line += " " + string(data)
		case info.Mode()&fs.ModeSymlink != 0:
			to, _ := os.Readlink(file)
			line += " " + to
		}
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestUnpackRefusesWhatLeadsOut(t *testing.T) {
	dir := tar.Header{Typeflag: tar.TypeDir, Name: "top/"}
	file := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name} }
	link := func(name, to string) tar.Header {
		return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to}
	}
	hard := func(name, to string) tar.Header {
		return tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: to}
	}
	for name, headers := range map[string][]tar.Header{
		"a name that climbs":         {dir, file("top/../../evil")},
		"a name beside the root":     {dir, file("other/evil")},
		"an absolute name":           {dir, file("/etc/evil")},
		"only a climb":               {{Typeflag: tar.TypeDir, Name: ".."}},
		"an absolute link":           {dir, link("top/a", "/etc/passwd")},
		"a link that climbs":         {dir, link("top/a", "../evil")},
		"one that climbs deeper":     {dir, {Typeflag: tar.TypeDir, Name: "top/d"}, link("top/d/a", "../../evil")},
		"one behind a link":          {dir, link("top/a", "."), link("top/b", "a/../../evil")},
		"one that only seems inside": {dir, link("top/a", "."), link("top/b", "a/..")},
		"the root as a link":         {link("top", "../evil")},
		"a file behind a link":       {dir, link("top/a", "."), file("top/a/evil"), link("top/a/b", "../..")},
		"a hard link out":            {dir, hard("top/a", "../evil")},
		"a hard link to a file here": {dir, hard("top/a", "/etc/passwd")},
		"a hard link to no file":     {dir, hard("top/a", "top/none")},
		"a device":                   {dir, {Typeflag: tar.TypeBlock, Name: "top/a"}},
		"a character device":         {dir, {Typeflag: tar.TypeChar, Name: "top/a"}},
		"a pipe":                     {dir, {Typeflag: tar.TypeFifo, Name: "top/a"}},
		"a file twice":               {dir, file("top/a"), file("top/a")},
		"a link and a file":          {dir, link("top/a", "b"), file("top/a")},
	} {
		place := t.TempDir()
		writeFile(t, filepath.Join(place, "evil"), "as it was")
		target := filepath.Join(place, "target")
		before := tree(t, place)
		u := &unpacker{base: "top", name: "new"}
		err := u.into(t.Context(), bytes.NewReader(hostile(t, headers...)), target)
		if err == nil {
			t.Errorf("%s: it is taken: %q", name, tree(t, place))
			continue
		}
		if after := tree(t, place); !slices.Equal(after, before) {
			t.Errorf("%s: %v, but it left %q", name, err, after)
		}
	}
}

func TestUnpack(t *testing.T) {
	place := t.TempDir()
	writeFile(t, filepath.Join(place, "target", "sub", "old"), "old")
	writeFile(t, filepath.Join(place, "target", "file"), "old")
	archive := hostile(t,
		tar.Header{Typeflag: tar.TypeDir, Name: "top"},
		tar.Header{Typeflag: tar.TypeSymlink, Name: "top/link", Linkname: "sub/new"},
		tar.Header{Typeflag: tar.TypeReg, Name: "top/file"},
		tar.Header{Typeflag: tar.TypeReg, Name: "top/sub/new"},
		tar.Header{Typeflag: tar.TypeLink, Name: "top/hard", Linkname: "top/sub/new"},
		tar.Header{Typeflag: tar.TypeReg, Name: "top/secret"},
	)
	u := &unpacker{base: "top", name: "new", skip: func(rel string) bool { return rel == "secret" }}
	if err := u.into(t.Context(), bytes.NewReader(archive), filepath.Join(place, "target")); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"target drwxr-xr-x", "target/file -rwxr-xr-x top/file", "target/hard -rwxr-xr-x top/sub/new", "target/link Lrwxrwxrwx sub/new",
		"target/sub drwxr-xr-x", "target/sub/new -rwxr-xr-x top/sub/new", "target/sub/old -rw------- old",
	}
	if got := tree(t, place); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if u.copied.Files != 4 || !slices.Equal(u.copied.Skipped, []string{"secret"}) {
		t.Errorf("copied %+v", u.copied)
	}
	u = &unpacker{base: "top", name: "new"}
	archive = hostile(t, tar.Header{Typeflag: tar.TypeDir, Name: "top"}, tar.Header{Typeflag: tar.TypeReg, Name: "top/a"}, tar.Header{Typeflag: tar.TypeReg, Name: "top/sub"})
	if err := u.into(t.Context(), bytes.NewReader(archive), filepath.Join(place, "target")); err == nil || !strings.Contains(err.Error(), "is in the way") {
		t.Errorf("error %v, want that a folder is in the way", err)
	}
	if got := tree(t, place); !slices.Equal(got, want) {
		t.Errorf("what could not be put in its place changed %q", got)
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add([]byte("top/"), byte(tar.TypeDir), "")
	f.Add([]byte("top/a\x00top/../b"), byte(tar.TypeReg), "../..")
	f.Fuzz(func(t *testing.T, names []byte, kind byte, to string) {
		var out bytes.Buffer
		w := tar.NewWriter(&out)
		for _, name := range bytes.Split(names, []byte{0}) {
			_ = w.WriteHeader(&tar.Header{Typeflag: kind, Name: string(name), Linkname: to, Mode: 0o755})
		}
		_ = w.Close()
		place := t.TempDir()
		u := &unpacker{base: "top", name: "new"}
		_ = u.into(t.Context(), &out, filepath.Join(place, "target"))
		entries, _ := os.ReadDir(place)
		for _, e := range entries {
			if e.Name() != "target" {
				t.Errorf("%q with %q left %q", names, to, e.Name())
			}
		}
		for _, line := range tree(t, place) {
			if name, rest, _ := strings.Cut(line, " "); strings.HasPrefix(rest, "L") {
				if _, err := os.Stat(filepath.Join(place, name)); err == nil {
					resolved, _ := filepath.EvalSymlinks(filepath.Join(place, name))
					if !strings.HasPrefix(resolved, filepath.Join(place, "target")) {
						t.Errorf("%q leads to %q", line, resolved)
					}
				}
			}
		}
	})
}

func TestCopy(t *testing.T) {
	r := newRig(t, "copy")
	r.shellStack()
	c := r.inside("app", 0)
	here := t.TempDir()
	sh := func(script string) string {
		t.Helper()
		out, errs, code := r.runs("app", "", ExecOptions{}, "sh", "-c", script)
		if code != 0 {
			t.Fatalf("%s: code %d, %s", script, code, errs)
		}
		return out
	}
	copyOut := func(source, target string) Copied {
		t.Helper()
		copied, err := c.CopyOut(t.Context(), source, target, CopyOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return copied
	}
	copyIn := func(source, target string, o CopyOptions) Copied {
		t.Helper()
		copied, err := c.CopyIn(t.Context(), source, target, o)
		if err != nil {
			t.Fatal(err)
		}
		return copied
	}
	sh("mkdir -p /data/d/e; echo one >/data/d/one; echo two >/data/d/e/two; ln -s e/two /data/d/link; ln -s /data/d/one /data/top; stat -c x /data/d/one")

	t.Log("out")
	copyOut("/data/d/one", filepath.Join(here, "name"))
	copyOut("/data/d", here)
	copyOut("/data/d/.", filepath.Join(here, "contents"))
	copyOut("/data/top", filepath.Join(here, "followed"))
	got := strings.Join(tree(t, here), "\n")
	for _, want := range []string{
		"name -rw-r--r-- one\n", "d/one -rw-r--r-- one\n", "d/e/two -rw-r--r-- two\n", "d/link Lrwxrwxrwx e/two",
		"contents/one -rw-r--r-- one\n", "followed -rw-r--r-- one\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("there is no %q in\n%s", want, got)
		}
	}

	t.Log("in")
	in := filepath.Join(here, "in")
	writeFile(t, filepath.Join(in, "deep", "file"), "from here")
	if err := errorsOf(os.Chmod(filepath.Join(in, "deep", "file"), 0o640), os.Symlink("deep/file", filepath.Join(in, "link")), syscall.Mkfifo(filepath.Join(in, "pipe"), 0o600)); err != nil {
		t.Fatal(err)
	}
	copied := copyIn(in, "/data", CopyOptions{})
	if copied.Files != 2 || copied.Bytes != 9 || !slices.Equal(copied.Skipped, []string{filepath.Join(in, "pipe")}) {
		t.Errorf("copied %+v", copied)
	}
	copyIn(in, "/data/renamed", CopyOptions{User: 7, Group: 8})
	copyIn(filepath.Join(in, "deep", "file"), "/data/d/one", CopyOptions{})
	copyIn(in+"/.", "/data/d/e", CopyOptions{})
	want := "640 0 0 from here\n640 7 8 from here\nfrom here\nfrom here\nfrom here\n"
	if got := sh(`f() { stat -c '%a %u %g' $1 | tr '\n' ' '; cat $1; echo; }; f /data/in/deep/file; f /data/renamed/deep/file; cat /data/in/link; echo; cat /data/d/one; echo; cat /data/d/e/deep/file; echo`); got != want {
		t.Errorf("inside there is %q, want %q", got, want)
	}

	t.Log("what an engine shows empty")
	for _, hidden := range []string{"/run/secrets/key", "/run/secrets", "/settings/conf", "/scratch", "/proc/1/environ", "/var/run/secrets/key"} {
		if _, err := c.CopyOut(t.Context(), hidden, here, CopyOptions{}); err == nil || !strings.Contains(fault.HintOf(err), "cat "+hidden) {
			t.Errorf("%s: error %v, hint %q", hidden, err, fault.HintOf(err))
		}
		if _, err := c.CopyIn(t.Context(), in, hidden, CopyOptions{}); err == nil {
			t.Errorf("a copy to %s is taken", hidden)
		}
	}
	sh("echo mine >/settings/other")
	copied = copyOut("/settings", filepath.Join(here, "settings"))
	if !slices.Contains(copied.Skipped, "/settings/conf") {
		t.Errorf("skipped %q, want /settings/conf among them", copied.Skipped)
	}
	if _, err := os.Stat(filepath.Join(here, "settings", "conf")); err == nil {
		t.Error("the empty config is there")
	}

	t.Log("mistakes")
	for name, run := range map[string]func() error{
		"no such file inside":  func() error { _, err := c.CopyOut(t.Context(), "/none", here, CopyOptions{}); return err },
		"no such file here":    func() error { _, err := c.CopyIn(t.Context(), here+"/none", "/data", CopyOptions{}); return err },
		"no such folder":       func() error { _, err := c.CopyIn(t.Context(), in, "/none/x", CopyOptions{}); return err },
		"no such folder here":  func() error { _, err := c.CopyOut(t.Context(), "/data", here+"/x/y", CopyOptions{}); return err },
		"a relative path":      func() error { _, err := c.CopyOut(t.Context(), "data", here, CopyOptions{}); return err },
		"the whole container":  func() error { _, err := c.CopyOut(t.Context(), "/", here, CopyOptions{}); return err },
		"a folder over a file": func() error { _, err := c.CopyIn(t.Context(), in, "/data/d/one", CopyOptions{}); return err },
	} {
		if run() == nil {
			t.Errorf("%s: no error", name)
		}
	}
	sealed := r.inside("sealed", 0)
	if _, err := sealed.CopyIn(t.Context(), in, "/tmp", CopyOptions{}); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("a read-only root: %v", err)
	}
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
