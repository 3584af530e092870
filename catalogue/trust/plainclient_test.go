package trust

import (
	"errors"
	"strings"
	"testing"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/config"
	"github.com/theupdateframework/go-tuf/v2/metadata/updater"
)

// plain is go-tuf's own client, as it comes, over HTTP.
func (h *house) plain(s *host, dir string) *updater.Updater {
	h.Helper()
	cfg, err := config.New(s.url+"/"+Folder, h.opts.Root)
	h.must(err)
	cfg.RemoteTargetsURL = s.url
	cfg.LocalMetadataDir, cfg.LocalTargetsDir = dir, dir
	client, err := updater.New(cfg)
	h.must(err)
	client.UnsafeSetRefTime(h.opts.Now)
	return client
}

// TestAnyClientReads refreshes and downloads with go-tuf's own client: a catalogue
// needs no galley to be verified, also when the number of bins changes.
func TestAnyClientReads(t *testing.T) {
	h := newHouse(t)
	s, dir := h.host(), t.TempDir()
	for _, n := range []int{5, 90} {
		h.publish(recipes(n))
		client := h.plain(s, dir)
		h.must(client.Refresh())
		for name, want := range recipes(5) {
			info, err := client.GetTargetInfo(name)
			h.must(err)
			if _, data, err := client.DownloadTarget(info, "", ""); err != nil || string(data) != want {
				t.Errorf("%d recipes: downloaded %q, %v", n, data, err)
			}
		}
		if _, err := client.GetTargetInfo("v1/recipes/none.json"); err == nil || !strings.Contains(err.Error(), "not found") {
			t.Errorf("%d recipes: a file that is not there: %v", n, err)
		}
	}
}

// TestAnyClientRefusesASwappedBin is why no two bins share a number: nothing else
// in a bin says which one it is.
func TestAnyClientRefusesASwappedBin(t *testing.T) {
	h := newHouse(t)
	h.publish(recipes(5))
	s, r := h.host(), h.repo()
	right, _ := r.bin(victim)
	for role, m := range r.bins {
		if role == right {
			continue
		}
		s.put(r.binName(victim), resigned(r, role, m))
		_, err := h.plain(s, t.TempDir()).GetTargetInfo(victim)
		if !errors.Is(err, &metadata.ErrBadVersionNumber{}) {
			t.Errorf("%s in place of %s: %v", role, right, err)
		}
	}
}
