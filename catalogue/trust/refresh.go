package trust

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/config"
	"github.com/theupdateframework/go-tuf/v2/metadata/updater"

	"github.com/galley-coop/galley/catalogue/disk"
)

// Fetcher gets files of a catalogue by their names below it. The error is
// fs.ErrNotExist for a file that is not there and disk.ErrTooLarge for one of
// more than limit bytes; any other means that the catalogue cannot be reached.
type Fetcher interface {
	Fetch(ctx context.Context, name string, limit int64) ([]byte, error)
}

// refresh is one walk through go-tuf's client workflow.
type refresh struct {
	ctx     context.Context // of the walk: go-tuf's Fetcher has no place for one
	from    Fetcher
	dir     string
	now     time.Time
	seen    map[Role]*Document // what the local folder holds
	updater *updater.Updater
	last    struct {
		name string
		role Role
		data []byte
		err  error
	}
}

// Refresh brings the metadata in dir up to date and verifies it, starting from a
// trusted root. dir keeps what was seen, so that a catalogue never goes back.
// What does not verify is fault.Refused; what cannot be reached keeps the
// Fetcher's kind.
//
// What was read as a whole is kept once more, for Local. A file in dir that a
// power cut left unreadable is put back from there, or read anew.
func Refresh(ctx context.Context, from Fetcher, dir string, root []byte, now time.Time) (*State, error) {
	state, err := walk(ctx, from, dir, root, now)
	if err == nil {
		err = keepWhole(dir, now)
	}
	return state, err
}

// walk is Refresh and, without a Fetcher, Local.
func walk(ctx context.Context, from Fetcher, dir string, root []byte, now time.Time) (state *State, err error) {
	if err := heal(dir); err != nil {
		return nil, err
	}
	r := &refresh{ctx: ctx, from: from, dir: dir, now: now, seen: seenIn(dir)}
	defer func() {
		if p := recover(); p != nil {
			state, err = nil, refuse(r.last.name, errors.New("is malformed"))
		}
	}()
	cfg, err := config.New(Folder, root)
	if err != nil {
		return nil, err
	}
	cfg.LocalMetadataDir, cfg.LocalTargetsDir = dir, dir
	cfg.RootMaxLength, cfg.TimestampMaxLength = maxRoot, maxTimestamp
	cfg.SnapshotMaxLength, cfg.TargetsMaxLength = maxSnapshot, maxTargets
	cfg.MaxRootRotations = MaxRoots
	cfg.Fetcher, cfg.UnsafeLocalMode = r, from == nil
	if r.updater, err = updater.New(cfg); isLocal(err) {
		return nil, KeepError(dir, err)
	} else if err != nil {
		return nil, err
	}
	r.updater.UnsafeSetRefTime(now) // one moment for the whole walk
	if err := r.updater.Refresh(); err != nil && from == nil {
		return nil, err
	} else if err != nil {
		return nil, r.explain(err)
	}
	return r.state(dir)
}

// state sees that targets.json is of galley's form: its hash, which the snapshot
// names, says nothing of that.
func (r *refresh) state(dir string) (*State, error) {
	set := r.updater.GetTrustedMetadataSet()
	targets := set.Targets[metadata.TARGETS]
	doc := &Document{Role: Targets, Version: targets.Signed.Version, Expires: targets.Signed.Expires, signed: targets}
	var err error
	if doc.Files, err = targetFiles(Targets, &targets.Signed); err != nil {
		return nil, refuse(Name(Targets, doc.Version), err)
	}
	return &State{
		Versions: map[Role]int64{
			Root: set.Root.Signed.Version, Timestamp: set.Timestamp.Signed.Version,
			Snapshot: set.Snapshot.Signed.Version, Targets: doc.Version,
		},
		Expires: map[Role]time.Time{
			Root: set.Root.Signed.Expires, Timestamp: set.Timestamp.Signed.Expires,
			Snapshot: set.Snapshot.Signed.Expires, Targets: doc.Expires,
		},
		Signers: signersOf(set.Root),
		trusted: &set, targets: doc, dir: dir, bins: map[Role]*bin{},
	}, nil
}

// DownloadFile is go-tuf's Fetcher. A missing file is a 404 to it, and a file
// that is not written as galley writes it does not reach it.
func (r *refresh) DownloadFile(name string, limit int64, _ time.Duration) ([]byte, error) {
	name = path.Clean(name)
	r.last.name, r.last.data, r.last.err = name, nil, nil
	r.last.role, _, _ = ParseName(name)
	data, err := r.from.Fetch(r.ctx, name, limit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &metadata.ErrDownloadHTTP{StatusCode: http.StatusNotFound, URL: name}
	}
	if err != nil {
		r.last.err = explainFetch(name, err)
		return nil, r.last.err
	}
	r.last.data = data
	if _, err := Parse(r.last.role, data); err != nil && !r.hashed(r.last.role) {
		r.last.err = refuse(name, err)
		return nil, r.last.err
	}
	return data, nil
}

// hashed tells the files whose hash the metadata above them names: that says
// more precisely that they were changed.
func (r *refresh) hashed(role Role) bool { return role == Snapshot || role == Targets }

// seenIn reads the metadata that a client's folder holds, not verified: it is for
// wording errors only.
func seenIn(dir string) map[Role]*Document {
	seen := map[Role]*Document{}
	d, err := disk.Open(dir)
	if err != nil {
		return seen
	}
	defer d.Close()
	for _, role := range Roles {
		data, err := d.Read(string(role)+".json", MaxLength(role))
		if err != nil {
			continue
		}
		if doc, err := Parse(role, data); err == nil {
			seen[role] = doc
		}
	}
	return seen
}

// SavedRoot is the newest root that Refresh kept in dir, fs.ErrNotExist when
// there is none.
func SavedRoot(dir string) ([]byte, error) {
	d, err := disk.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	data, err := d.Read("root.json", maxRoot)
	if err != nil {
		return nil, err
	}
	if _, err := Parse(Root, data); err != nil {
		return nil, &os.PathError{Op: "reading", Path: filepath.Join(dir, "root.json"), Err: err}
	}
	return data, nil
}
