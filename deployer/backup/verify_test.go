package backup

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

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
	sent := Part{Kind: KindSecrets, Name: "secrets.json", SHA256: strings.Repeat("0", 64), Bytes: 3}
	if err := r.StorePart(t.Context(), m, &sent, giving([]byte("{}\n"))); err == nil {
		t.Error("what came through is not what was sent, and is stored")
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
