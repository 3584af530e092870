package backup

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galley-coop/galley/internal/fault"
)

func TestRunIsIncompleteWithoutManifest(t *testing.T) {
	r, _, p := fresh(t)
	first, second := p.whole, p.broken
	runs, err := r.Runs(t.Context(), "app.example.org")
	if err != nil || len(runs) != 2 {
		t.Fatalf("runs are %+v, %v", runs, err)
	}
	if got := runs[0]; got.ID != second.Run || got.Complete || got.Parts != 1 || got.Bytes != -1 {
		t.Errorf("the newest is %+v", got)
	}
	if got := runs[1]; got.ID != first.Run || !got.Complete || got.Parts != 2 || got.Bytes != first.Bytes() || !got.Time.Equal(testTime) ||
		got.Recipe != "wiki" || got.Version != "1.0.0+2.1" || got.Entry != first.Entry || got.Server != "prod1" {
		t.Errorf("the complete one is %+v", got)
	}
	if _, err := r.LoadManifest(t.Context(), &runs[0]); fault.HintOf(err) == "" {
		t.Errorf("a manifest of the incomplete run: %v", err)
	}
	latest, err := r.FindRun(t.Context(), "app.example.org", Latest)
	if err != nil || latest.ID != first.Run {
		t.Fatalf("the latest is %+v, %v", latest, err)
	}
	m, err := r.LoadManifest(t.Context(), &latest)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Parts) != 2 || len(m.Parts[0].Snapshot) != 64 || m.By != first.By || !m.Ended.Equal(first.Ended) {
		t.Errorf("the manifest is %+v", m)
	}
	var got bytes.Buffer
	if err := r.ReadPart(t.Context(), &m.Parts[0], &got); err != nil || !bytes.Equal(got.Bytes(), tarOf(p.data)) {
		t.Errorf("the volume reads back with %d bytes, %v", got.Len(), err)
	}
}

func TestDefaultRepositoryIsMade(t *testing.T) {
	_, dir, p := fresh(t)
	if r := p.opened; !r.Made || len(r.Notices) != 1 || !strings.Contains(r.Notices[0], passwordName) {
		t.Errorf("made: %v, notices: %q", r.Made, r.Notices)
	}
	info, err := os.Stat(filepath.Join(p.dir, passwordName))
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() != 44 {
		t.Errorf("the password's file is %v, %v", info, err)
	}
	again, err := Init(t.Context(), Options{Dir: dir})
	if err != nil || again.Made || len(again.Notices) > 0 {
		t.Errorf("a second time: %+v, %v", again, err)
	}
	nothing := t.TempDir()
	if _, err := OpenRepository(t.Context(), Options{Dir: nothing}); err == nil || fault.HintOf(err) == "" {
		t.Errorf("a default repository that is not there opens: %v", err)
	}
	if _, err := OpenRepository(t.Context(), Options{Dir: nothing, URL: nothing, Create: true}); err == nil || fault.HintOf(err) == "" {
		t.Errorf("an URL without a repository opens: %v", err)
	}
	if left, err := os.ReadDir(nothing); err != nil || len(left) > 0 {
		t.Errorf("left there: %v, %v", left, err)
	}
}
