package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/galley-coop/galley/deployer/backup/carrier"
	"github.com/galley-coop/galley/deployer/backup/restic"
	"github.com/galley-coop/galley/internal/fault"
)

// Options say where backups are kept and how the repository is opened.
type Options struct {
	// Dir is the operator's folder, $GALLEY_DIR: the default repository and its
	// password are in it.
	Dir string
	// URL is restic's location of the repository; the folder "backups" under Dir
	// when empty.
	URL string
	// PasswordFile has the password. When it is empty restic's own variables are
	// asked, and then the file "backup-password" under Dir.
	PasswordFile string
	// Create makes the default repository when it is not there, and begins to open
	// one that is: Opened tells what is wrong with it.
	Create bool
	// Patience and LockWait are those of restic.Repository.
	Patience, LockWait time.Duration
	// Notify, if set, is told in a line what takes longer.
	Notify func(line string)
}

// Repository is an open repository of backups.
type Repository struct {
	*restic.Repository
	// Notices are for the operator: where a password was made, and what it is for.
	Notices []string
	// Made tells that the repository was not there before.
	Made bool

	opened    chan struct{} // closed when openError says how opening it ended; nil when nobody asked for that
	openError error
}

const (
	repositoryName = "backups"
	lockName       = ".backups.lock"
	// lockLimit is how long another galley may take to make the default repository.
	lockLimit = time.Minute
)

func (o *Options) defaultFolder() string { return filepath.Join(o.Dir, repositoryName) }

// OpenRepository opens a repository that is there, or, with Create, makes the
// default one at its first use. What an URL names must be there: see Init.
func OpenRepository(ctx context.Context, o Options) (*Repository, error) {
	if o.URL == "" && !isRepository(o.defaultFolder()) {
		if !o.Create {
			err := fault.New(fault.Unavailable, "there are no backups yet in %s", o.defaultFolder())
			return nil, fault.Hint(err, "galley app backup create makes the first; --repository names another place")
		}
		return Init(ctx, o)
	}
	password, _, err := o.passwordFile(false)
	if err != nil {
		return nil, err
	}
	r := o.repository(password)
	if o.Create {
		r.beginOpening(ctx)
	}
	return r, nil
}

// beginOpening opens the repository beside what is done meanwhile: its key alone takes
// half a second.
func (r *Repository) beginOpening(ctx context.Context) {
	r.opened = make(chan struct{})
	go func() {
		defer close(r.opened)
		r.openError = r.Open(ctx)
	}()
}

// Opened waits until it is known whether the repository opens, and is the error when it
// does not. Of one that was opened without Create nothing is known.
func (r *Repository) Opened(ctx context.Context) error {
	if r.opened == nil {
		return nil
	}
	select {
	case <-r.opened:
		return r.openError
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Init makes the repository, and a password when none is given and none was made
// before. One that is there already is opened.
func Init(ctx context.Context, o Options) (*Repository, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	unlock, err := o.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	there := o.URL == "" && isRepository(o.defaultFolder())
	password, made, err := o.passwordFile(!there)
	if err != nil {
		return nil, err
	}
	r := o.repository(password)
	if made {
		r.Notices = []string{fmt.Sprintf("made %s, the backups' password: keep a copy of it elsewhere, without it nobody can read them", password)}
	}
	if there {
		return r, r.Open(ctx)
	}
	if o.URL == "" {
		err = r.initFolder(ctx, o.defaultFolder())
	} else {
		err = r.Init(ctx)
	}
	if restic.Is(err, restic.AlreadyThere) {
		return r, r.Open(ctx)
	}
	r.Made = err == nil
	return r, err
}

// initFolder makes a repository under another name and renames it: one whose making
// was interrupted is not there.
func (r *Repository) initFolder(ctx context.Context, folder string) error {
	unfinished := *r.Repository
	unfinished.URL = folder + ".new"
	if err := os.RemoveAll(unfinished.URL); err != nil {
		return err
	}
	if err := unfinished.Init(ctx); err != nil {
		return errors.Join(err, os.RemoveAll(unfinished.URL))
	}
	return os.Rename(unfinished.URL, folder)
}

// lock keeps another galley of this machine from making the same repository.
func (o *Options) lock(ctx context.Context) (unlock func(), err error) {
	name := filepath.Join(o.Dir, lockName)
	file := flock.New(name, flock.SetPermissions(0o600))
	ctx, cancel := context.WithTimeout(ctx, lockLimit)
	defer cancel()
	if _, err := file.TryLockContext(ctx, 50*time.Millisecond); err != nil {
		return nil, fmt.Errorf("locking %s: %w", name, err)
	}
	return func() { _ = file.Unlock() }, nil // at the latest it ends with the process
}

func (o *Options) repository(password string) *Repository {
	location := o.URL
	if location == "" {
		location = o.defaultFolder()
	}
	return &Repository{Repository: &restic.Repository{
		URL: location, PasswordFile: password, Patience: o.Patience, LockWait: o.LockWait, Notify: o.Notify,
	}}
}

// isRepository tells whether a folder is a restic repository: its config is written
// last.
func isRepository(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, "config"))
	return !errors.Is(err, fs.ErrNotExist)
}

// fileName replaces what does not belong into a file's name.
var fileName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// partFile is the name of a part's stream in its snapshot.
func partFile(domain string, p *Part) string {
	name := string(p.Kind)
	switch p.Kind {
	case KindVolume:
		name += "-" + p.Name + ".tar"
	case KindPath:
		name += "-" + p.Service + "-" + strings.Trim(p.Name, "/") + ".tar"
	case KindSecrets, KindManifest:
		name += ".json"
	}
	return "/" + domain + "/" + fileName.ReplaceAllString(name, "_")
}

// StorePart stores what source writes as a part of a run, and fills in the part's
// File, Snapshot, Bytes and SHA256. The caller adds the part to the manifest.
func (r *Repository) StorePart(ctx context.Context, m *Manifest, p *Part, source func(w io.Writer) error) error {
	counted := newTally()
	err := r.storePart(ctx, m, p, func(w io.Writer) error { return source(io.MultiWriter(w, counted)) })
	if err != nil {
		return err
	}
	p.Bytes, p.SHA256 = counted.bytes, counted.sum()
	return nil
}

// takePart is StorePart for a part that is digested where it comes from, which source
// tells in the end. It is stored only when the same number of bytes with the same
// checksum came through: a digest of the whole a second time would cost as much as
// getting it here.
func (r *Repository) takePart(ctx context.Context, m *Manifest, p *Part, source func(w io.Writer) (carrier.Summary, error)) error {
	var sent carrier.Summary
	err := r.storePart(ctx, m, p, func(w io.Writer) (err error) {
		var came carrier.Checksum
		if sent, err = source(io.MultiWriter(w, &came)); err != nil {
			return err
		}
		if !came.Of(sent) {
			return fmt.Errorf("%d bytes with the checksum %08x came through, and %d with %08x were sent", came.Bytes, came.CRC32C, sent.Bytes, sent.CRC32C)
		}
		return nil
	})
	if err != nil {
		return err
	}
	p.Bytes, p.SHA256 = sent.Bytes, sent.SHA256
	return nil
}

func (r *Repository) storePart(ctx context.Context, m *Manifest, p *Part, source func(w io.Writer) error) error {
	p.File = partFile(m.Domain, p)
	began, err := RunTime(m.Run)
	if err != nil {
		return err
	}
	stored, err := r.Store(ctx, restic.StoreOptions{File: p.File, Host: m.Server, Tags: partTags(m.Domain, m.Run, p.Kind), Time: began}, source)
	p.Snapshot = stored.Snapshot
	return err
}

// StoreManifest ends a run: it is complete from then on.
func (r *Repository) StoreManifest(ctx context.Context, m *Manifest) error {
	began, err := RunTime(m.Run)
	if err != nil {
		return err
	}
	data, err := m.encode()
	if err != nil {
		return err
	}
	options := restic.StoreOptions{
		File: partFile(m.Domain, &Part{Kind: KindManifest}), Host: m.Server, Tags: manifestTags(m), Time: began,
	}
	_, err = r.Store(ctx, options, func(w io.Writer) error {
		_, err := io.Copy(w, bytes.NewReader(data))
		return err
	})
	return err
}

// ReadPart writes a part's stream to w. Only with a nil error it was all there, and
// is what was stored.
func (r *Repository) ReadPart(ctx context.Context, p *Part, w io.Writer) error {
	counted := newTally()
	if err := r.Dump(ctx, p.Snapshot, p.File, io.MultiWriter(counted, w)); err != nil {
		return err
	}
	return p.compare(counted.bytes, counted.sum())
}

// passPart is ReadPart for a part that is counted and digested where it goes to: only
// when that compares, too, it was all there.
func (r *Repository) passPart(ctx context.Context, p *Part, w io.Writer) error {
	return r.Dump(ctx, p.Snapshot, p.File, w)
}

// tally counts and digests what is written to it.
type tally struct {
	bytes  int64
	digest interface {
		io.Writer
		Sum([]byte) []byte
	}
}

func newTally() *tally { return &tally{digest: sha256.New()} }

func (t *tally) Write(b []byte) (int, error) {
	t.bytes += int64(len(b))
	return t.digest.Write(b)
}

func (t *tally) sum() string { return hex.EncodeToString(t.digest.Sum(nil)) }

// ErrDiffers is what was read and is not what was stored.
var ErrDiffers = errors.New("it does not read back as it was stored")

// compare holds what came of a part's stream against what was stored: anything else is
// refused.
func (p *Part) compare(bytes int64, sum string) error {
	switch {
	case bytes != p.Bytes:
		return fault.New(fault.Refused, "%s %q: %w: %d bytes instead of %d", p.Kind, p.Name, ErrDiffers, bytes, p.Bytes)
	case sum != p.SHA256:
		return fault.New(fault.Refused, "%s %q: %w: its digest is %s instead of %s", p.Kind, p.Name, ErrDiffers, sum, p.SHA256)
	}
	return nil
}
