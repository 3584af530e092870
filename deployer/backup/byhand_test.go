//go:build linux

package backup

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/galley-coop/galley/deployer/backup/carrier"
)

// TestByHand runs the commands of docs/backups.md that get data out without galley, as
// they stand there, on a run that galley's own packer has made: a volume with what tars
// tend to lose, the env file and a secret.
func TestByHand(t *testing.T) {
	needRestic(t)
	if os.Getuid() != 0 && os.Getenv("CI") != "true" {
		t.Skip("owners are root's to give")
	}
	t.Parallel()
	home := t.TempDir()
	volume := filepath.Join(home, "volume")
	fillVolume(t, volume)
	r, err := OpenRepository(t.Context(), Options{Dir: filepath.Join(home, ".galley"), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	m := newManifest("cloud.example.org", testTime)
	values, err := json.Marshal(secretsFile{Format: 1, Stack: "cloud_example_org", Values: map[string][]byte{"cloud_example_org_db_password_v1": []byte("it's \x00 a \"secret\"\n")}})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []struct {
		Part
		write func(io.Writer) error
	}{
		{Part{Kind: KindVolume, Name: "data", Volume: "cloud_example_org_data", Node: "n1"}, func(w io.Writer) error {
			_, err := carrier.Pack(t.Context(), volume, nil, w)
			return err
		}},
		{Part{Kind: KindEnv, Name: "cloud.example.org.env"}, giving([]byte("TYPE=cloud\n"))},
		{Part{Kind: KindSecrets, Name: "secrets.json"}, giving(values)},
	} {
		if err := r.StorePart(t.Context(), m, &part.Part, part.write); err != nil {
			t.Fatal(err)
		}
		m.Parts = append(m.Parts, part.Part)
	}
	if err := r.StoreManifest(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	// A later run that was interrupted must not be taken.
	later := newManifest("cloud.example.org", testTime.AddDate(0, 0, 1))
	if err := r.StorePart(context.Background(), later, &Part{Kind: KindEnv, Name: "cloud.example.org.env"}, giving([]byte("TYPE=other\n"))); err != nil {
		t.Fatal(err)
	}
	work := filepath.Join(home, "work")
	if err := os.Mkdir(work, 0o700); err != nil {
		t.Fatal(err)
	}
	out := byHand(t, home, work, m.Run)
	if !strings.HasSuffix(out, "it's \x00 a \"secret\"\n") {
		t.Errorf("the secret did not come out: %q", out)
	}
	if env, err := os.ReadFile(filepath.Join(work, "cloud.example.org.env")); err != nil || string(env) != "TYPE=cloud\n" {
		t.Errorf("the env file is %q, error %v", env, err)
	}
	manifest, err := os.ReadFile(filepath.Join(work, "manifest.json"))
	if got, decoded := decodeManifest(manifest); err != nil || decoded != nil || got.Run != m.Run {
		t.Errorf("the manifest: %v, %v", err, decoded)
	}
	sameFolder(t, volume, filepath.Join(work, "data"))
}

// byHand runs the page's commands of the section "Without galley" in a shell.
func byHand(t *testing.T, home, work, run string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "backups.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "\n## Without galley\n")
	_, section, block := strings.Cut(section, "\n```sh\n")
	script, _, end := strings.Cut(section, "\n```\n")
	if !found || !block || !end {
		t.Fatal("docs/backups.md has no commands under \"Without galley\"")
	}
	const example = "run=20261130T015959Z-3f9c\n"
	if !strings.Contains(script, example) {
		t.Fatalf("the commands do not name the run with %q", example)
	}
	script = "set -e\n" + strings.Replace(script, example, "run="+run+"\n", 1)
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script)
	cmd.Dir, cmd.Env = work, append(os.Environ(), "HOME="+home)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil || strings.Contains(said.String(), "tar:") {
		t.Fatalf("%v: %s%s", err, out, said.String())
	}
	return string(out)
}

// fillVolume makes a folder with a file of somebody else's, a hole, a hard link, a symbolic
// link, an attribute, a set-user-ID bit and a name that tars must write in another way.
func fillVolume(t *testing.T, dir string) {
	t.Helper()
	long := filepath.Join(dir, strings.Repeat("a long folder/", 10), "ünicode")
	sparse, err := func() (*os.File, error) {
		if err := os.MkdirAll(filepath.Dir(long), 0o750); err != nil {
			return nil, err
		}
		return os.Create(filepath.Join(dir, "sparse"))
	}()
	if err != nil {
		t.Fatal(err)
	}
	defer sparse.Close()
	for _, step := range []func() error{
		func() error { return os.WriteFile(long, noise(7, 3<<20), 0o640) },
		func() error { return os.Lchown(long, 100033, 100034) },
		func() error { return unix.Lsetxattr(long, "user.origin", []byte("a \x00 b"), 0) },
		func() error { return os.Link(long, filepath.Join(dir, "hard")) },
		func() error { return os.Symlink("hard", filepath.Join(dir, "soft")) },
		func() error { return os.WriteFile(filepath.Join(dir, "tool"), []byte("x"), 0o755) },
		func() error { return os.Chmod(filepath.Join(dir, "tool"), 0o755|fs.ModeSetuid) },
		func() error { return os.Mkdir(filepath.Join(dir, "empty"), 0o700) },
		func() error { _, err := sparse.WriteAt([]byte("end"), 64<<20); return err },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
}

// sameFolder compares two folders: names, content, modes, owners, times, links,
// attributes, and that a file with a hole has one.
func sameFolder(t *testing.T, want, got string) {
	t.Helper()
	wanted, have := lookAt(t, want), lookAt(t, got)
	for name, w := range wanted {
		if h := have[name]; h != w {
			t.Errorf("%s: %+v, expected %+v", name, h, w)
		}
		delete(have, name)
	}
	for name := range have {
		t.Errorf("%s was not there", name)
	}
}

// looks are what of a file must be the same.
type looks struct {
	mode       fs.FileMode
	uid, gid   uint32
	links      uint64
	size, time int64
	holes      bool
	target     string
	origin     string // the attribute
	content    string // digest
}

func lookAt(t *testing.T, root string) map[string]looks {
	t.Helper()
	all := map[string]looks{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		s := info.Sys().(*syscall.Stat_t)
		l := looks{mode: info.Mode(), uid: s.Uid, gid: s.Gid, links: uint64(s.Nlink), time: info.ModTime().UnixNano()}
		switch {
		case info.Mode().IsRegular():
			l.size, l.holes = s.Size, s.Blocks*512 < s.Size
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			sum := newTally()
			_, _ = sum.Write(data)
			l.content = sum.sum()
			value := make([]byte, 64)
			if n, err := unix.Lgetxattr(name, "user.origin", value); err == nil {
				l.origin = string(value[:n])
			}
		case info.Mode()&fs.ModeSymlink != 0:
			l.target, err = os.Readlink(name)
		}
		rel, _ := filepath.Rel(root, name)
		all[rel] = l
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
