package restic

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

const testPassword = "right-horse-battery"

// TestMain keeps what the machine has set for restic out of the tests, and has this
// binary be a galley that stores when it is run as one.
func TestMain(m *testing.M) {
	if repository := os.Getenv(standInVariable); repository != "" {
		standIn(repository)
	}
	home, err := os.MkdirTemp("", "test-galley-restic-")
	if err != nil {
		panic(err)
	}
	for name, value := range map[string]string{
		"HOME": home, "RESTIC_CACHE_DIR": filepath.Join(home, "cache"),
		"RESTIC_PASSWORD": "", "RESTIC_PASSWORD_FILE": "", "RESTIC_PASSWORD_COMMAND": "", "RESTIC_REPOSITORY": "", "RESTIC_REPOSITORY_FILE": "",
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	_ = os.RemoveAll(home)
	os.Exit(code)
}

// needRestic skips without restic, which CI must have.
func needRestic(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("restic"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI needs restic: apt install restic")
		}
		t.Skip(err)
	}
}

// prepared is a repository with one snapshot in it. Making one takes seconds, so
// tests get copies.
type prepared struct {
	dir      string
	snapshot string
	data     []byte
}

const preparedFile = "/app.example.org/volume-data.tar"

var shared = sync.OnceValues(func() (prepared, error) {
	p := prepared{dir: filepath.Join(os.Getenv("HOME"), "prepared"), data: noise(1, 3<<20)}
	r, err := repositoryIn(p.dir)
	if err != nil {
		return p, err
	}
	if err := r.Init(background()); err != nil {
		return p, err
	}
	stored, err := r.Store(background(), StoreOptions{File: preparedFile, Host: "prod1", Tags: []string{"galley", "first"}, Time: preparedTime}, giving(p.data))
	p.snapshot = stored.Snapshot
	return p, err
})

var preparedTime = time.Date(2026, 3, 29, 1, 59, 59, 0, time.UTC)

// fresh is a copy of the prepared repository.
func fresh(t *testing.T) (*Repository, prepared) {
	t.Helper()
	needRestic(t)
	t.Parallel()
	p, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "repository"), os.DirFS(filepath.Join(p.dir, "repository"))); err != nil {
		t.Fatal(err)
	}
	r, err := repositoryIn(dir)
	if err != nil {
		t.Fatal(err)
	}
	r.Notify = func(line string) { t.Log(line) }
	return r, p
}

// repositoryIn opens dir/repository with a password file of its own.
func repositoryIn(dir string) (*Repository, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "password")
	r := &Repository{URL: filepath.Join(dir, "repository"), PasswordFile: file}
	return r, os.WriteFile(file, []byte(testPassword+"\n"), 0o600)
}

// noise is data that neither compresses nor repeats, the same for the same seed.
func noise(seed uint64, n int) []byte {
	data := make([]byte, n)
	var key [32]byte
	key[0] = byte(seed)
	_, _ = rand.NewChaCha8(key).Read(data)
	return data
}

// giving is a source of data.
func giving(data []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.Copy(w, bytes.NewReader(data))
		return err
	}
}

// intact fails the test unless the prepared snapshot reads back as it was stored.
func (p prepared) intact(t *testing.T, r *Repository) {
	t.Helper()
	var got bytes.Buffer
	if err := r.Dump(t.Context(), p.snapshot, preparedFile, &got); err != nil {
		t.Fatal(err)
	}
	if sha256.Sum256(got.Bytes()) != sha256.Sum256(p.data) {
		t.Fatalf("the snapshot has %d bytes that differ from the %d that were stored", got.Len(), len(p.data))
	}
}

// count fails the test unless the repository has n snapshots.
func count(t *testing.T, r *Repository, n int) []Snapshot {
	t.Helper()
	all, err := r.Snapshots(t.Context(), Filter{})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != n {
		t.Fatalf("there are %d snapshots, expected %d: %s", len(all), n, fmt.Sprint(all))
	}
	return all
}
