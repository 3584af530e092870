package backup

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestMain keeps what the machine has set for restic out of the tests.
func TestMain(m *testing.M) {
	home, err := os.MkdirTemp("", "galley-backup-")
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

// open is the default repository under dir.
func open(t *testing.T, dir string) *Repository {
	t.Helper()
	r, err := OpenRepository(t.Context(), Options{Dir: dir, Create: true, Notify: func(line string) { t.Log(line) }})
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
func tarOf(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "data.bin", Mode: 0o600, Size: int64(len(data))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
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

// storeRun makes a run with a volume of data and an env file; it is incomplete
// without end.
func storeRun(t *testing.T, r *Repository, m *Manifest, data []byte, end bool) {
	t.Helper()
	for _, part := range []struct {
		Part
		data []byte
	}{
		{Part{Kind: KindVolume, Name: "data", Volume: "app_example_org_data", Node: "n1"}, tarOf(t, data)},
		{Part{Kind: KindEnv, Name: m.Domain + ".env"}, []byte("TYPE=wiki\n")},
	} {
		p := part.Part
		if err := r.StorePart(t.Context(), m, &p, giving(part.data)); err != nil {
			t.Fatal(err)
		}
		m.Parts = append(m.Parts, p)
	}
	if end {
		if err := r.StoreManifest(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
}
