package backup

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/galley-coop/galley/deployer/backup/carrier"
	"github.com/galley-coop/galley/internal/fault"
)

func TestVerifyFindsFlippedByte(t *testing.T) {
	r, dir, _ := fresh(t)
	latest, err := r.FindRun(t.Context(), "app.example.org", Latest)
	if err != nil {
		t.Fatal(err)
	}
	runs := []Run{latest}
	var steps []string
	checked, err := r.Verify(t.Context(), runs, func(s VerifyStep) {
		if s.Part == nil {
			steps = append(steps, "structure")
		} else if s.Check != nil {
			steps = append(steps, string(s.Part.Kind))
		}
	})
	if err != nil || !checked.OK || checked.Structure != "" || len(checked.Runs) != 1 || len(checked.Runs[0].Parts) != 2 {
		t.Fatalf("untouched: %+v, %v", checked, err)
	}
	if !slices.Equal(steps, []string{"volume", "env", "structure"}) {
		t.Errorf("steps are %q", steps)
	}
	flip(t, filepath.Join(dir, repositoryName, "data"))
	if checked, err = r.Verify(t.Context(), runs, nil); err != nil {
		t.Fatal(err)
	}
	volume, env := checked.Runs[0].Parts[0], checked.Runs[0].Parts[1]
	if checked.OK || checked.Runs[0].OK || volume.OK || volume.Problem == "" || !env.OK {
		t.Errorf("after a flipped byte: %+v", checked)
	}
	if err := os.Rename(filepath.Join(dir, passwordName), filepath.Join(dir, "elsewhere")); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Verify(t.Context(), runs, nil); err == nil {
		t.Error("a repository that cannot be opened is verified")
	}
	if _, err := OpenRepository(t.Context(), Options{Dir: dir, Create: true}); fault.HintOf(err) == "" {
		t.Errorf("a repository without its password opens: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, passwordName)); err == nil {
		t.Error("another password was made for a repository that has one")
	}
}

// flip changes a byte in the middle of the largest file below dir.
func flip(t *testing.T, dir string) {
	t.Helper()
	var largest string
	var size int64
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Size() > size {
			largest, size = path, info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(largest)
	if err != nil {
		t.Fatal(err)
	}
	data[size/2] ^= 1
	if err := os.Chmod(largest, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(largest, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestVerifyFindsWhatTheManifestDoesNotSay has a repository that is whole, and a
// manifest that is not true of it.
func TestVerifyFindsWhatTheManifestDoesNotSay(t *testing.T) {
	r, _, _ := fresh(t)
	m := newManifest("other.example.org", testTime)
	if err := storeRun(r, m, []byte("data"), false); err != nil {
		t.Fatal(err)
	}
	noTar := Part{Kind: KindPath, Name: "/var/x", Service: "app"}
	if err := r.StorePart(t.Context(), m, &noTar, giving([]byte(strings.Repeat("no tar ", 300)))); err != nil {
		t.Fatal(err)
	}
	m.Parts = append(m.Parts, noTar)
	m.Parts[0].Bytes++
	m.Parts[1].SHA256 = strings.Repeat("0", 64)
	if err := r.StoreManifest(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	run, err := r.FindRun(t.Context(), m.Domain, m.Run[:10])
	if err != nil {
		t.Fatal(err)
	}
	checked, err := r.Verify(t.Context(), []Run{run}, nil)
	if err != nil || checked.OK || len(checked.Runs[0].Parts) != 3 {
		t.Fatalf("%+v, %v", checked, err)
	}
	for i, want := range []string{"bytes instead of", "its digest is", "its tar cannot be read"} {
		if p := checked.Runs[0].Parts[i]; p.OK || !strings.Contains(p.Problem, want) {
			t.Errorf("part %d is %+v, expected %q", i, p, want)
		}
	}
}

// TestTakenPartIsWhatWasSent has a stream whose end is told by who sent it.
func TestTakenPartIsWhatWasSent(t *testing.T) {
	r, _, _ := fresh(t)
	m := newManifest("sent.example.org", testTime)
	data := []byte("what a volume holds")
	var sum carrier.Checksum
	_, _ = sum.Write(data)
	whole := carrier.Summary{Bytes: sum.Bytes, CRC32C: sum.CRC32C, SHA256: fmt.Sprintf("%x", sha256.Sum256(data))}
	shorter, other := whole, whole
	shorter.Bytes--
	other.CRC32C ^= 1
	for name, sent := range map[string]carrier.Summary{"fewer bytes": shorter, "another checksum": other, "nothing": {}} {
		part := Part{Kind: KindVolume, Name: "data"}
		err := r.takePart(t.Context(), m, &part, func(w io.Writer) (carrier.Summary, error) {
			_, err := w.Write(data)
			return sent, err
		})
		if err == nil || !strings.Contains(err.Error(), "came through") {
			t.Errorf("%s were sent, and the part is %+v, %v", name, part, err)
		}
	}
	part := Part{Kind: KindVolume, Name: "data"}
	err := r.takePart(t.Context(), m, &part, func(w io.Writer) (carrier.Summary, error) {
		_, err := w.Write(data)
		return whole, err
	})
	if err != nil || part.Bytes != whole.Bytes || part.SHA256 != whole.SHA256 {
		t.Fatalf("%+v, %v", part, err)
	}
	runs, err := r.Runs(t.Context(), m.Domain)
	if err != nil || len(runs) != 1 || len(runs[0].Snapshots) != 1 {
		t.Errorf("of what was not sent something is stored: %+v, %v", runs, err)
	}
	if err := r.ReadPart(t.Context(), &part, io.Discard); err != nil {
		t.Error(err)
	}
}
