package registry

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/galley-coop/galley/internal/localregistry"
)

func TestCacheHitIsOneHead(t *testing.T) {
	reg := localregistry.StartT(t)
	reg.PushT(t, "web:1", localregistry.TinyT(t, "web", "linux/amd64", "linux/arm64"))
	reg.PushT(t, "plain:1", localregistry.TinyT(t, "plain"))
	cacheIn := func(dir string) func(*Options) { return func(o *Options) { o.CacheDir = dir } }
	dir := t.TempDir()
	for _, ref := range []string{"/web:1", "/plain:1"} {
		cold := resolve(t, resolverFor(t, cacheIn(dir)), reg.Addr+ref)
		warmed := resolverFor(t, cacheIn(dir))
		warm := resolve(t, warmed, reg.Addr+ref)
		if !reflect.DeepEqual(cold, warm) {
			t.Errorf("from the cache: %+v, want %+v", warm, cold)
		}
		if s := warmed.Stats(); s.Heads != 1 || s.Gets != 0 || s.CacheHits != 1 {
			t.Errorf("%s: %+v, want one HEAD and no GET", ref, s)
		}
	}
	elsewhere := resolverFor(t, cacheIn(t.TempDir()))
	resolve(t, elsewhere, reg.Addr+"/web:1")
	if s := elsewhere.Stats(); s.Gets != 3 || s.CacheHits != 0 {
		t.Errorf("with an empty cache: %+v, want the index and two manifests fetched", s)
	}
}

// damages are done to the one file of a cache.
var damages = map[string]func(t *testing.T, path string){
	"truncated": func(t *testing.T, path string) { rewriteFile(t, path, func(b []byte) []byte { return b[:len(b)/2] }) },
	"empty":     func(t *testing.T, path string) { rewriteFile(t, path, func([]byte) []byte { return nil }) },
	"not json":  func(t *testing.T, path string) { rewriteFile(t, path, func([]byte) []byte { return []byte("<html>") }) },
	"another config digest": func(t *testing.T, path string) {
		editRecord(t, path, func(rec *record) {
			for digest, doc := range rec.Documents {
				if at := bytes.Index(doc, []byte(`"config":`)); at >= 0 {
					hex := at + bytes.Index(doc[at:], []byte("sha256:")) + len("sha256:")
					copy(doc[hex:], "00000000")
					rec.Documents[digest] = doc
				}
			}
		})
	},
	"a document missing": func(t *testing.T, path string) {
		editRecord(t, path, func(rec *record) {
			for digest := range rec.Documents {
				if !strings.Contains(path, strings.TrimPrefix(digest, "sha256:")) {
					delete(rec.Documents, digest)
				}
			}
		})
	},
	"another media type": func(t *testing.T, path string) {
		editRecord(t, path, func(rec *record) { rec.MediaType = string(types.OCIManifestSchema1) })
	},
	"a format of the future": func(t *testing.T, path string) {
		editRecord(t, path, func(rec *record) { rec.Format = cacheFormat + 1 })
	},
}

func rewriteFile(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(raw), 0o600); err != nil {
		t.Fatal(err)
	}
}

func editRecord(t *testing.T, path string, change func(*record)) {
	t.Helper()
	rewriteFile(t, path, func(raw []byte) []byte {
		var rec record
		if err := json.Unmarshal(raw, &rec); err != nil {
			t.Fatal(err)
		}
		change(&rec)
		out, err := json.Marshal(rec)
		if err != nil {
			t.Fatal(err)
		}
		return out
	})
}

func TestDamagedCacheFileIsRewritten(t *testing.T) {
	reg := localregistry.StartT(t)
	reg.PushT(t, "web:1", localregistry.TinyT(t, "web", "linux/amd64", "linux/arm64"))
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			fill := func(o *Options) { o.CacheDir = dir }
			want := resolve(t, resolverFor(t, fill), reg.Addr+"/web:1")
			files, err := filepath.Glob(filepath.Join(dir, "sha256", "*", "*"))
			if err != nil || len(files) != 1 {
				t.Fatalf("cache files %v, want one (%v)", files, err)
			}
			damage(t, files[0])

			repaired := resolverFor(t, fill)
			if got := resolve(t, repaired, reg.Addr+"/web:1"); !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if s := repaired.Stats(); s.CacheHits != 0 || s.Gets != 3 {
				t.Errorf("the damaged file was used: %+v", s)
			}
			after := resolverFor(t, fill)
			resolve(t, after, reg.Addr+"/web:1")
			if s := after.Stats(); s.CacheHits != 1 || s.Gets != 0 {
				t.Errorf("the file was not rewritten: %+v", s)
			}
		})
	}
}

func TestCacheThatCannotBeWrittenIsNoFailure(t *testing.T) {
	reg := localregistry.StartT(t)
	reg.PushT(t, "web:1", localregistry.TinyT(t, "web"))
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := resolverFor(t, func(o *Options) { o.CacheDir = filepath.Join(file, "below") })
	resolve(t, r, reg.Addr+"/web:1")
	if s := r.Stats(); s.CacheErrors != 2 {
		t.Errorf("%+v, want two cache errors, of the facts and of the answer", s)
	}
}
