package trust

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/internal/fault"
)

// victim is the file that is changed, or that an attacker wants taken wrongly.
const victim = "v1/recipes/r3.json"

// house is a publisher with its keys and its published folder.
type house struct {
	testing.TB
	keys   map[Role]Key
	opts   PublishOptions
	public *disk.Dir
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{TB: t}
	keysDir := t.TempDir()
	h.keys = newKeys(t, keysDir)
	public, err := disk.Create(filepath.Join(t.TempDir(), "public"))
	h.must(err)
	t.Cleanup(func() { _ = public.Close() })
	h.public = public
	h.opts = PublishOptions{Public: public, KeysDir: keysDir, Root: newRoot(t, h.keys), RootName: "root.json", Expiry: DefaultExpiry, Now: start}
	return h
}

func (h *house) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// publish signs files with the given contents, after what is published.
func (h *house) publish(contents map[string]string) *Publication {
	h.Helper()
	p := h.prepare(contents)
	h.must(p.Write(h.public))
	return p
}

// prepare writes the files, and no metadata yet.
func (h *house) prepare(contents map[string]string) *Publication {
	h.Helper()
	targets := map[string]File{}
	for name, content := range contents {
		f := File{Length: int64(len(content)), SHA256: Fingerprint([]byte(content))}
		h.must(h.public.Write(HashedName(name, f.SHA256), []byte(content)))
		targets[name] = f
	}
	p, err := Prepare(h.opts, targets)
	h.must(err)
	return p
}

// recipes are n files.
func recipes(n int) map[string]string {
	contents := map[string]string{}
	for i := range n {
		contents[fmt.Sprintf("v1/recipes/r%d.json", i)] = fmt.Sprintf("recipe %d\n", i)
	}
	return contents
}

// host serves the published folder over HTTP, but for what is put in place of it,
// and is a Fetcher that asks there.
type host struct {
	mu       sync.Mutex
	instead  map[string]http.HandlerFunc
	requests []string
	bytes    int64
	url      string
}

func (h *house) host() *host {
	s := &host{instead: map[string]http.HandlerFunc{}}
	files := http.FileServer(http.Dir(h.public.Name()))
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		name := strings.TrimPrefix(req.URL.Path, "/")
		s.mu.Lock()
		s.requests = append(s.requests, name)
		instead := s.instead[name]
		s.mu.Unlock()
		if instead != nil {
			instead(rw, req)
			return
		}
		files.ServeHTTP(rw, req)
	}))
	h.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *host) put(name string, data []byte) {
	s.instead[name] = func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(data) }
}

// since empties the count of requests and bytes, and tells them.
func (s *host) since() (requests []string, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	requests, bytes = s.requests, s.bytes
	s.requests, s.bytes = nil, 0
	return requests, bytes
}

func (s *host) Fetch(ctx context.Context, name string, limit int64) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/"+name, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return nil, fs.ErrNotExist
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = disk.ErrTooLarge
	}
	s.mu.Lock()
	s.bytes += int64(len(data))
	s.mu.Unlock()
	return data, err
}

// reader is a client with a folder of its own.
type reader struct {
	*house
	from Fetcher
	dir  string
	now  time.Time
}

func (h *house) reader(from Fetcher) *reader {
	return &reader{house: h, from: from, dir: h.TempDir(), now: h.opts.Now}
}

// refresh starts from the newest root that the reader has seen.
func (r *reader) refresh(ctx context.Context) (*State, error) {
	root, err := SavedRoot(r.dir)
	if errors.Is(err, fs.ErrNotExist) {
		root, err = r.public.Read(Name(Root, 1), maxRoot)
	}
	r.must(err)
	return Refresh(ctx, r.from, r.dir, root, r.now)
}

// read refreshes and fetches files, all of which must be as they were published.
func (r *reader) read(ctx context.Context, contents map[string]string) error {
	state, err := r.refresh(ctx)
	if err != nil {
		return err
	}
	for name, want := range contents {
		got, err := state.Fetch(ctx, r.from, name)
		if err != nil {
			return err
		}
		if string(got) != want {
			r.Errorf("%s: took %q, expected %q", name, got, want)
		}
	}
	return nil
}

func (h *house) wants(err error, kind fault.Kind, text string) {
	h.Helper()
	if err == nil {
		h.Fatalf("no error, expected %q", text)
	}
	if fault.KindOf(err) != kind || !strings.Contains(err.Error(), text) {
		h.Errorf("error %v (kind %v), expected %q (kind %v)", err, fault.KindOf(err), text, kind)
	}
}

// repo is the published metadata taken apart, to be changed and signed again with
// keys that a thief may have.
type repo struct {
	*house
	root      *metadata.Metadata[metadata.RootType]
	targets   *metadata.Metadata[metadata.TargetsType]
	bins      map[Role]*metadata.Metadata[metadata.TargetsType]
	snapshot  *metadata.Metadata[metadata.SnapshotType]
	timestamp *metadata.Metadata[metadata.TimestampType]
	signers   map[Role][]Key // by role or bin; the house's when there is none
	private   map[Role]ed25519.PrivateKey
}

func (h *house) repo() *repo {
	h.Helper()
	p, err := readPublished(h.opts)
	h.must(err)
	r := &repo{house: h, bins: map[Role]*metadata.Metadata[metadata.TargetsType]{}, signers: map[Role][]Key{}, private: map[Role]ed25519.PrivateKey{}}
	r.root = p.chain.last()
	r.targets = p.documents[Targets].signed.(*metadata.Metadata[metadata.TargetsType])
	r.snapshot = p.documents[Snapshot].signed.(*metadata.Metadata[metadata.SnapshotType])
	r.timestamp = p.documents[Timestamp].signed.(*metadata.Metadata[metadata.TimestampType])
	for _, bin := range p.documents[Targets].Bins() {
		r.bins[bin] = p.documents[bin].signed.(*metadata.Metadata[metadata.TargetsType])
	}
	return r
}

func resigned[T metadata.Roles](r *repo, role Role, m *metadata.Metadata[T]) []byte {
	r.Helper()
	keys := r.signers[role]
	if keys == nil {
		keys = []Key{r.keys[kindOf(role)]}
	}
	m.ClearSignatures()
	for _, key := range keys {
		_, err := m.Sign(key.signer)
		r.must(err)
	}
	data, err := m.ToBytes(false)
	r.must(err)
	return data
}

// announce makes the host serve the changed metadata, with the hashes and the
// snapshot's number made to fit.
func (r *repo) announce(s *host) {
	r.Helper()
	if r.root.Signed.Version > 1 {
		s.put(Name(Root, r.root.Signed.Version), resigned(r, Root, r.root))
	}
	for bin, m := range r.bins {
		if meta := r.snapshot.Signed.Meta[string(bin)+".json"]; meta != nil {
			s.put(Name(bin, meta.Version), resigned(r, bin, m))
		}
	}
	data := resigned(r, Targets, r.targets)
	meta := r.snapshot.Signed.Meta["targets.json"]
	meta.Length, meta.Hashes = int64(len(data)), hashes(data)
	s.put(Name(Targets, meta.Version), data)
	data = resigned(r, Snapshot, r.snapshot)
	meta = r.timestamp.Signed.Meta["snapshot.json"]
	meta.Length, meta.Hashes = int64(len(data)), hashes(data)
	s.put(Name(Snapshot, meta.Version), data)
	s.put(TimestampName, resigned(r, Timestamp, r.timestamp))
}

func hashes(data []byte) metadata.Hashes {
	f, _ := metadata.TargetFile().FromBytes("", data)
	return f.Hashes
}

// next numbers timestamp and snapshot as a publication after this one would.
func (r *repo) next() {
	r.timestamp.Signed.Version++
	r.snapshot.Signed.Version++
	r.timestamp.Signed.Meta["snapshot.json"].Version++
}

// bin is where a file stands, and its metadata.
func (r *repo) bin(name string) (Role, *metadata.Metadata[metadata.TargetsType]) {
	role := binOf(r.targets.Signed.Delegations.SuccinctRoles, name)
	return role, r.bins[role]
}

// binName is the file of the bin where a file stands.
func (r *repo) binName(name string) string {
	role, m := r.bin(name)
	return Name(role, m.Signed.Version)
}

// rotate makes the next root, with new keys for some roles, which sign from now on.
func (r *repo) rotate(roles ...Role) {
	r.Helper()
	r.root.Signed.Version++
	for _, role := range roles {
		key, private, err := NewKey()
		r.must(err)
		r.private[role] = private
		r.root.Signed.Roles[string(role)].KeyIDs = nil
		r.must(r.root.Signed.AddKey(key.metadata, string(role)))
		r.signers[role] = []Key{key}
	}
}

func (r *repo) victimRole() Role {
	role, _ := r.bin(victim)
	return role
}
