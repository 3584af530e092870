package trust

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/theupdateframework/go-tuf/v2/metadata/config"
	"github.com/theupdateframework/go-tuf/v2/metadata/updater"

	"github.com/galley-coop/galley/catalogue/disk"
)

// TestAnyClientReads refreshes and downloads with go-tuf's own client, as it
// comes, over HTTP: a catalogue needs no galley to be verified.
func TestAnyClientReads(t *testing.T) {
	keysDir := t.TempDir()
	root := newRoot(t, newKeys(t, keysDir))
	public, err := disk.Create(filepath.Join(t.TempDir(), "public"))
	if err != nil {
		t.Fatal(err)
	}
	defer public.Close()
	const name, content = "v1/recipes/web.json", "{}\n"
	hash := Fingerprint([]byte(content))
	p, err := Prepare(PublishOptions{Public: public, KeysDir: keysDir, Root: root, RootName: "root.json", Expiry: DefaultExpiry, Now: start},
		map[string]File{name: {Length: int64(len(content)), SHA256: hash}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(public.Write(HashedName(name, hash), []byte(content)), p.Write(public)); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.FileServer(http.Dir(public.Name())))
	defer server.Close()

	cfg, err := config.New(server.URL+"/"+Folder, root)
	if err != nil {
		t.Fatal(err)
	}
	cfg.RemoteTargetsURL = server.URL
	cfg.LocalMetadataDir, cfg.LocalTargetsDir = t.TempDir(), t.TempDir()
	client, err := updater.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	client.UnsafeSetRefTime(start)
	if err := client.Refresh(); err != nil {
		t.Fatal(err)
	}
	info, err := client.GetTargetInfo(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, data, err := client.DownloadTarget(info, "", ""); err != nil || string(data) != content {
		t.Errorf("downloaded %q, %v", data, err)
	}
}
