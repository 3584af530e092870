package catalogue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

// SignOptions say what is signed and where it goes.
type SignOptions struct {
	Build  string // folder that Build wrote
	Public string // folder that is served; made when it is not there
	Keys   string // folder with targets.pem, snapshot.pem and timestamp.pem
	Root   string // root metadata file; those before it stand beside it as N.root.json
	// Passphrase is asked for the keys that have one; nil when none may.
	Passphrase trust.Passphrase
	// Expiry is how long signatures are valid; trust.DefaultExpiry where zero.
	Expiry trust.Expiry
	// Keep is how long files stay that no reader of the newest catalogue needs, for
	// readers that are in the middle; DefaultKeep when zero.
	Keep time.Duration
	// Now is when the signatures start to count; zero means the clock.
	Now time.Time
}

// Signed is what Sign did.
type Signed struct {
	Fingerprint string       `json:"fingerprint"` // of the first root
	Roles       []SignedRole `json:"roles"`       // root, targets, snapshot, timestamp
	Files       int          `json:"files"`       // of the catalogue, metadata left out
	Written     int          `json:"written"`     // content files that were not there yet, copies counted
	Bins        int          `json:"bins"`        // hash bins of the targets
	SignedBins  int          `json:"signed_bins"` // of them, signed anew by this run
	Removed     int          `json:"removed"`     // files that no reader needs any more
	Warnings    []string     `json:"warnings"`
}

// SignedRole is one role's metadata after Sign.
type SignedRole struct {
	Role    string    `json:"role"`
	Version int64     `json:"version"`
	Expires time.Time `json:"expires"`
	Signed  bool      `json:"signed"` // anew, by this run
}

// Sign publishes a build: it reads and checks every file of it again, as if it
// came from a stranger, then writes content, then metadata, the timestamp last.
// A reader sees the old catalogue or the new one. Files under hashed names are
// kept, for readers that still have older metadata. The same files under their
// plain names, for readers that verify nothing, change after the timestamp: what
// a run that is killed there leaves is older, and the next run brings it up to date.
//
// What is published stays: a build that lacks a published version, or says
// something else of it than what its source gave, is fault.Refused.
//
// Signing the same build again signs a new timestamp and leaves the rest.
func Sign(ctx context.Context, opts SignOptions) (_ *Signed, err error) {
	if err := opts.complete(); err != nil {
		return nil, err
	}
	root, err := readRoot(opts.Root)
	if err != nil {
		return nil, err
	}
	earlier, err := earlierRoots(opts.Root)
	if err != nil {
		return nil, err
	}
	if exists(opts.Build) {
		built, err := lockFolder(ctx, opts.Build) // a build may be at work in it
		if err != nil {
			return nil, fmt.Errorf("signing: %w", err)
		}
		defer func() { err = errors.Join(err, built()) }()
	}
	prepare := trust.PublishOptions{
		KeysDir: opts.Keys, Passphrase: opts.Passphrase,
		Root: root, Earlier: earlier, RootName: opts.Root, Expiry: opts.Expiry, Now: opts.Now,
	}
	before, err := publishedBefore(opts.Public, prepare)
	if err != nil {
		return nil, err
	}
	t, err := openTree(ctx, opts.Build, before)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.dir.Close()) }()
	public, err := disk.Create(opts.Public)
	if err != nil {
		return nil, fmt.Errorf("publishing: %w", err)
	}
	defer func() { err = errors.Join(err, public.Close()) }()
	unlock, err := lockFolder(ctx, opts.Public)
	if err != nil {
		return nil, fmt.Errorf("publishing: %w", err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	prepare.Public = public
	publication, err := trust.Prepare(prepare, t.targets)
	if err != nil {
		return nil, err
	}
	if err := checkKept(public, publication.Before, t); err != nil {
		return nil, err
	}
	p := &publisher{tree: t, public: public, signed: signedOf(publication, opts.Expiry, opts.Now)}
	err = p.publish(ctx, publication)
	if err == nil {
		err = p.retire(opts.Now, cmp.Or(opts.Keep, DefaultKeep))
	}
	if err != nil {
		return nil, fmt.Errorf("publishing: %w", err)
	}
	return p.signed, nil
}

// publishedBefore are the targets of what is published already. What is published
// meanwhile is not among them, and looked at once more.
func publishedBefore(folder string, opts trust.PublishOptions) (_ map[string]trust.File, err error) {
	if !exists(folder) {
		return nil, nil
	}
	public, err := disk.Open(folder)
	if err != nil {
		return nil, fmt.Errorf("publishing: %w", err)
	}
	defer func() { err = errors.Join(err, public.Close()) }()
	opts.Public = public
	return trust.PublishedTargets(opts)
}

func (o *SignOptions) complete() error {
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	o.Expiry = completeExpiry(o.Expiry)
	build, err := filepath.Abs(o.Build)
	if err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	public, err := filepath.Abs(o.Public)
	if err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	if build == public {
		err := fault.New(fault.Usage, "signing: %q is to be read and published at once", o.Build)
		return fault.Hint(err, "publish into another folder")
	}
	return nil
}

func completeExpiry(e trust.Expiry) trust.Expiry {
	return trust.Expiry{
		Root:      cmp.Or(e.Root, trust.DefaultExpiry.Root),
		Targets:   cmp.Or(e.Targets, trust.DefaultExpiry.Targets),
		Snapshot:  cmp.Or(e.Snapshot, trust.DefaultExpiry.Snapshot),
		Timestamp: cmp.Or(e.Timestamp, trust.DefaultExpiry.Timestamp),
	}
}

func readRoot(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fault.Hint(fmt.Errorf("reading the root: %w", err), "galley catalogue init makes root.json")
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, trust.MaxLength(trust.Root)+1))
	if err != nil {
		return nil, fmt.Errorf("reading the root: %w", err)
	}
	return data, nil
}

func signedOf(p *trust.Publication, expiry trust.Expiry, now time.Time) *Signed {
	s := &Signed{
		Fingerprint: p.Fingerprint, Bins: p.Bins, SignedBins: p.SignedBins,
		Warnings: expiryWarnings(p.Expires, expiry, now),
	}
	if p.Former.Sub(now) > expiry.Timestamp+trust.ClockSlack {
		s.Warnings = append(s.Warnings, clockWarning(p.Former, now))
	}
	for _, role := range trust.Roles {
		s.Roles = append(s.Roles, SignedRole{
			Role: string(role), Version: p.Versions[role], Expires: p.Expires[role], Signed: slices.Contains(p.Signed, role),
		})
	}
	return s
}

// clockWarning is for a timestamp that is valid for longer than the one that took
// its place: one of the two was signed by a clock that is wrong. When it is this
// one, clients may find the catalogue expired; versions count on either way.
func clockWarning(former, now time.Time) string {
	return fmt.Sprintf("the timestamp before this one was valid until %s, longer than one that is signed now (%s) is; "+
		"check this machine's clock, and sign again when it was wrong", former.Format(time.DateOnly), now.UTC().Format(time.DateOnly))
}

// publisher copies a tree into the published folder.
type publisher struct {
	tree   *tree
	public *disk.Dir
	signed *Signed

	mu sync.Mutex // guards signed.Written while files are copied
}

// signCopiers is how many files are copied at once. Each waits until the disk has
// it, and a disk takes many as quickly as one.
const signCopiers = 16

func (p *publisher) publish(ctx context.Context, metadata *trust.Publication) error {
	if err := p.public.Sweep(); err != nil {
		return err
	}
	hashed := func(name string, f trust.File) string { return trust.HashedName(name, f.SHA256) }
	if err := p.copyAll(ctx, p.tree.content, sameName); err != nil {
		return err
	}
	if err := p.copyAll(ctx, p.tree.targets, hashed); err != nil {
		return err
	}
	if err := p.sync(); err != nil {
		return err
	}
	p.signed.Files = len(p.tree.content) + len(p.tree.targets)
	if err := p.announce(ctx, metadata); err != nil {
		return err
	}
	return p.public.Sweep()
}

func sameName(name string, _ trust.File) string { return name }

// announce switches readers to the new catalogue. Plain names that nobody has yet
// come before the timestamp, so that none is ever missing, and after the metadata
// that says what they are; those that others read change after it.
func (p *publisher) announce(ctx context.Context, metadata *trust.Publication) error {
	if err := metadata.WriteInner(p.public); err != nil {
		return err
	}
	fresh, changed := map[string]trust.File{}, map[string]trust.File{}
	for name, f := range p.tree.targets {
		if p.public.Exists(name) {
			changed[name] = f
		} else {
			fresh[name] = f
		}
	}
	if err := p.copyPlain(ctx, fresh); err != nil {
		return err
	}
	if err := metadata.Announce(p.public); err != nil {
		return err
	}
	return p.copyPlain(ctx, changed)
}

// copyPlain copies recipes, then what names them.
func (p *publisher) copyPlain(ctx context.Context, files map[string]trust.File) error {
	summaries := map[string]trust.File{}
	for _, name := range []string{indexName, recipesName} {
		if f, ok := files[name]; ok {
			summaries[name] = f
			delete(files, name)
		}
	}
	for _, step := range []map[string]trust.File{files, summaries} {
		if err := p.copyAll(ctx, step, sameName); err != nil {
			return err
		}
	}
	return p.sync()
}

func (p *publisher) sync() error {
	for _, folder := range []string{bundlesDir, entriesDir, recipesDir, "v1", "."} {
		if err := p.public.Sync(folder); err != nil {
			return err
		}
	}
	return nil
}

// retire removes what no reader needs any more: superseded metadata, copies that
// only it names, entries that only these name, and plain files of a catalogue that
// was never announced. Bundles stay: a version that was published does.
func (p *publisher) retire(now time.Time, grace time.Duration) error {
	done, err := trust.Superseded(p.public, now, grace)
	if err != nil {
		return err
	}
	needed, err := p.neededEntries(done)
	if err != nil {
		return err
	}
	names := done.Remove
	listed, err := p.public.List(maxTreeFiles)
	if err != nil {
		return err
	}
	for _, f := range listed {
		_, isEntry := entryOf(f.Name)
		_, isCurrent := p.tree.targets[f.Name]
		if isEntry && !needed[f.Name] || isPlain(f.Name) && !isCurrent {
			names = append(names, f.Name)
		}
	}
	for _, name := range names {
		if err := p.public.Remove(name); err != nil {
			return err
		}
	}
	p.signed.Removed = len(names)
	return nil
}

// neededEntries are those of this catalogue, and of heads that some reader may
// still have.
func (p *publisher) neededEntries(kept *trust.Retirement) (map[string]bool, error) {
	needed := map[string]bool{}
	for name := range p.tree.content {
		needed[name] = true
	}
	for copied, f := range kept.Kept {
		name, _, _ := targetOf(copied)
		of, isRecipe := recipeOf(name)
		if !isRecipe || p.tree.targets[name].SHA256 == f.SHA256 {
			continue
		}
		data, err := p.public.Read(copied, maxTargetFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		r, err := decodeRecipe(of, data)
		if err != nil {
			return nil, unverified(p.public, copied, err)
		}
		for _, release := range r.Versions {
			needed[entryPath(release.Entry)] = true
		}
	}
	return needed, nil
}

func (p *publisher) copyAll(ctx context.Context, files map[string]trust.File, to func(string, trust.File) string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(signCopiers)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f := files[name]
		group.Go(func() error { return p.copy(ctx, name, to(name, f), f) })
	}
	return group.Wait()
}

// copy writes one file, unless the very bytes are there. What it reads must
// still be what was checked.
func (p *publisher) copy(ctx context.Context, from, to string, want trust.File) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if old, err := p.public.Read(to, want.Length); err == nil && hashOf(old) == want.SHA256 {
		return nil
	}
	data, err := p.tree.dir.Read(from, max(want.Length, recipe.MaxBundleSize))
	if err != nil {
		return p.tree.refuse(from, err)
	}
	if hashOf(data) != want.SHA256 {
		return p.tree.refuse(from, errors.New("changed while it was being signed"))
	}
	p.mu.Lock()
	p.signed.Written++
	p.mu.Unlock()
	return p.public.Write(to, data)
}
