package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
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

// TestMain keeps what the machine has set for restic out of the tests.
func TestMain(m *testing.M) {
	home, err := os.MkdirTemp("", "test-galley-backup-")
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

// prepared is an operator's folder whose repository has two runs of app.example.org: a
// complete one and, an hour later, one that was interrupted. Making it takes seconds,
// so tests get copies.
type prepared struct {
	dir           string
	whole, broken *Manifest
	data          []byte // of the volume
	opened        Repository
}

var shared = sync.OnceValues(func() (*prepared, error) {
	p := &prepared{dir: filepath.Join(os.Getenv("HOME"), "prepared"), data: noise(1, 1<<20)}
	p.whole, p.broken = newManifest("app.example.org", testTime), newManifest("app.example.org", testTime.Add(time.Hour))
	r, err := OpenRepository(context.Background(), Options{Dir: p.dir, Create: true})
	if err != nil {
		return p, err
	}
	p.opened = *r
	return p, errors.Join(storeRun(r, p.whole, p.data, true), storeRun(r, p.broken, nil, false))
})

// fresh is a copy of the prepared folder, opened.
func fresh(t *testing.T) (*Repository, string, *prepared) {
	t.Helper()
	needRestic(t)
	t.Parallel()
	p, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "ops")
	if err := os.CopyFS(dir, os.DirFS(p.dir)); err != nil {
		t.Fatal(err)
	}
	return open(t, dir), dir, p
}

// open is the default repository under dir.
func open(t *testing.T, dir string) *Repository {
	t.Helper()
	r, err := OpenRepository(t.Context(), Options{Dir: dir, Notify: func(line string) { t.Log(line) }})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// noise is data that neither compresses nor repeats, the same for the same seed.
func noise(seed uint64, n int) []byte {
	data := make([]byte, n)
	var key [32]byte
	key[0] = byte(seed)
	_, _ = rand.NewChaCha8(key).Read(data)
	return data
}

// tarOf is a tar with one file.
func tarOf(data []byte) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	_ = w.WriteHeader(&tar.Header{Name: "data.bin", Mode: 0o600, Size: int64(len(data))})
	_, _ = w.Write(data)
	_ = w.Close() // a buffer takes all
	return b.Bytes()
}

// giving is a source of data.
func giving(data []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.Copy(w, bytes.NewReader(data))
		return err
	}
}

var testTime = time.Date(2026, 11, 30, 2, 0, 0, 0, time.UTC)

// newManifest is the beginning of a run.
func newManifest(domain string, began time.Time) *Manifest {
	return &Manifest{
		Run: NewRunID(began), Domain: domain, Server: "prod1", Stack: "app_example_org", Recipe: "wiki", Version: "1.0.0+2.1",
		Entry: "sha256:" + fmt.Sprintf("%064x", 1), By: "ada@laptop", Started: began, Ended: began.Add(time.Minute), Secrets: SecretsNone,
	}
}

// storeRun makes a run with an env file and, if there is data, a volume; it is
// incomplete without end.
func storeRun(r *Repository, m *Manifest, data []byte, end bool) error {
	streams := map[Kind][]byte{KindEnv: []byte("TYPE=wiki\n")}
	parts := []Part{{Kind: KindEnv, Name: m.Domain + ".env"}}
	if data != nil {
		streams[KindVolume] = tarOf(data)
		parts = append([]Part{{Kind: KindVolume, Name: "data", Volume: "app_example_org_data", Node: "n1"}}, parts...)
	}
	for _, p := range parts {
		if err := r.StorePart(context.Background(), m, &p, giving(streams[p.Kind])); err != nil {
			return err
		}
		m.Parts = append(m.Parts, p)
	}
	if !end {
		return nil
	}
	return r.StoreManifest(context.Background(), m)
}
