package backup

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/galley-coop/galley/deployer/backup/restic"
	"github.com/galley-coop/galley/internal/fault"
)

// Run is what the repository has of one backup of an app.
type Run struct {
	ID       string
	Domain   string
	Server   string
	Time     time.Time // when it began, in whole seconds
	Complete bool      // its manifest and all its parts are there
	// Recipe, Version and Entry are of the manifest's tags, "" of an incomplete run.
	Recipe, Version, Entry string
	Parts                  int   // without the manifest
	Bytes                  int64 // of the parts' streams; -1 when it is not told
	// Manifest is nil until LoadManifest.
	Manifest  *Manifest
	Snapshots []restic.Snapshot // the oldest first
}

// The tags of a snapshot. Those behind tagPart are on the manifest's alone.
const (
	tagGalley  = "galley"
	tagApp     = "app:"
	tagRun     = "run:"
	tagPart    = "part:"
	tagRecipe  = "recipe:"
	tagVersion = "version:"
	tagEntry   = "entry:"
	tagParts   = "parts:"
	tagBytes   = "bytes:"
)

const runTime = "20060102T150405Z"

var runID = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{4}$`)

// NewRunID names a run that begins now.
func NewRunID(now time.Time) string {
	random := make([]byte, 2)
	_, _ = rand.Read(random) // never fails (crypto/rand)
	return now.UTC().Format(runTime) + "-" + hex.EncodeToString(random)
}

// RunTime is when a run began, by its ID.
func RunTime(id string) (time.Time, error) {
	if !runID.MatchString(id) {
		return time.Time{}, fault.New(fault.Usage, "%q is no run; one looks like 20260131T235959Z-0a1b", id)
	}
	stamp, _, _ := strings.Cut(id, "-")
	return time.Parse(runTime, stamp)
}

// partTags are those of a part's snapshot.
func partTags(domain, run string, kind Kind) []string {
	return []string{tagGalley, tagApp + domain, tagRun + run, tagPart + string(kind)}
}

// manifestTags tell of a whole run what a list needs.
func manifestTags(m *Manifest) []string {
	tags := partTags(m.Domain, m.Run, KindManifest)
	for _, t := range [][2]string{{tagRecipe, m.Recipe}, {tagVersion, m.Version}, {tagEntry, m.Entry}} {
		if t[1] != "" {
			tags = append(tags, t[0]+t[1])
		}
	}
	return append(tags, tagParts+strconv.Itoa(len(m.Parts)), tagBytes+strconv.FormatInt(m.Bytes(), 10))
}

func tagValue(s restic.Snapshot, name string) string {
	for _, tag := range s.Tags {
		if value, ok := strings.CutPrefix(tag, name); ok {
			return value
		}
	}
	return ""
}

// Runs lists what is there of a domain's backups, of all with "", the newest first.
func (r *Repository) Runs(ctx context.Context, domain string) ([]Run, error) {
	filter := restic.Filter{Tags: []string{tagGalley}}
	if domain != "" {
		filter.Tags = append(filter.Tags, tagApp+domain)
	}
	snapshots, err := r.Snapshots(ctx, filter)
	if err != nil {
		return nil, err
	}
	return group(snapshots), nil
}

// group makes runs of snapshots. Those without a run's tags are somebody else's.
func group(snapshots []restic.Snapshot) []Run {
	type key struct{ domain, id string }
	found := map[key]*Run{}
	for _, s := range snapshots {
		k := key{tagValue(s, tagApp), tagValue(s, tagRun)}
		began, err := RunTime(k.id)
		if err != nil || k.domain == "" || !slices.Contains(s.Tags, tagGalley) {
			continue
		}
		if found[k] == nil {
			found[k] = &Run{ID: k.id, Domain: k.domain, Server: s.Host, Time: began, Bytes: -1}
		}
		found[k].Snapshots = append(found[k].Snapshots, s)
	}
	runs := make([]Run, 0, len(found))
	for _, run := range found {
		run.read()
		runs = append(runs, *run)
	}
	slices.SortFunc(runs, func(a, b Run) int {
		return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(b.ID, a.ID), cmp.Compare(a.Domain, b.Domain))
	})
	return runs
}

// read tells from the tags what a run is.
func (run *Run) read() {
	run.Parts = len(run.Snapshots)
	manifest, ok := run.manifest()
	if !ok {
		return
	}
	run.Parts--
	run.Server = manifest.Host
	run.Recipe, run.Version, run.Entry = tagValue(manifest, tagRecipe), tagValue(manifest, tagVersion), tagValue(manifest, tagEntry)
	parts, err := strconv.Atoi(tagValue(manifest, tagParts))
	if run.Complete = err == nil && run.Parts >= parts; run.Complete { // a part that was tried twice is there twice
		run.Parts = parts
	}
	if sum, err := strconv.ParseInt(tagValue(manifest, tagBytes), 10, 64); err == nil {
		run.Bytes = sum
	}
}

func (run *Run) manifest() (restic.Snapshot, bool) {
	for _, s := range slices.Backward(run.Snapshots) {
		if tagValue(s, tagPart) == string(KindManifest) && len(s.Paths) == 1 {
			return s, true
		}
	}
	return restic.Snapshot{}, false
}

// Latest is the run that FindRun takes for the newest complete one; "" is, too.
const Latest = "latest"

// FindRun is the run of a domain that an ID, its beginning, or Latest names. It may
// be an incomplete one when it was named.
func (r *Repository) FindRun(ctx context.Context, domain, which string) (Run, error) {
	runs, err := r.Runs(ctx, domain)
	if err != nil {
		return Run{}, err
	}
	return pick(runs, domain, which)
}

func pick(runs []Run, domain, which string) (Run, error) {
	var found []Run
	for _, run := range runs {
		switch {
		case which != "" && which != Latest:
			if strings.HasPrefix(run.ID, which) {
				found = append(found, run)
			}
		case run.Complete:
			return run, nil
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		err := fault.New(fault.Usage, "%q is the beginning of %d runs: %s, %s …", which, len(found), found[0].ID, found[1].ID)
		return Run{}, fault.Hint(err, "give more of it")
	case which == "" || which == Latest:
		err := fault.New(fault.Unavailable, "there is no complete backup of %q", domain)
		return Run{}, fault.Hint(err, "galley app backup create %s makes one", domain)
	}
	err := fault.New(fault.Usage, "there is no run %q of %q", which, domain)
	return Run{}, fault.Hint(err, "galley app backup ls %s lists them", domain)
}

// LoadManifest reads a run's manifest and keeps it in the run. Its parts have the
// whole IDs of their snapshots then; one that is not in the run is refused.
func (r *Repository) LoadManifest(ctx context.Context, run *Run) (*Manifest, error) {
	if run.Manifest != nil {
		return run.Manifest, nil
	}
	snapshot, ok := run.manifest()
	if !ok || !run.Complete {
		err := fault.New(fault.Unavailable, "run %s of %q is incomplete", run.ID, run.Domain)
		return nil, fault.Hint(err, "it was interrupted, or is still going on; take another: galley app backup ls %s", run.Domain)
	}
	data := limited{limit: manifestLimit}
	if err := r.Dump(ctx, snapshot.ID, snapshot.Paths[0], &data); err != nil {
		return nil, err
	}
	m, err := decodeManifest(data.Bytes())
	if err == nil {
		err = run.holds(m)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the manifest of run %s of %q: %w", run.ID, run.Domain, err)
	}
	run.Manifest = m
	return m, nil
}

// holds checks that a manifest is this run's, and gives its parts whole IDs.
func (run *Run) holds(m *Manifest) error {
	if m.Run != run.ID || m.Domain != run.Domain {
		return fmt.Errorf("it is of run %s of %q", m.Run, m.Domain)
	}
	for i := range m.Parts {
		p, found := &m.Parts[i], ""
		for _, s := range run.Snapshots {
			if strings.HasPrefix(s.ID, p.Snapshot) && tagValue(s, tagPart) == string(p.Kind) && slices.Contains(s.Paths, p.File) {
				if found != "" {
					return fmt.Errorf("%s %q has two snapshots %s", p.Kind, p.Name, p.Snapshot)
				}
				found = s.ID
			}
		}
		if found == "" {
			return fmt.Errorf("%s %q should be in snapshot %s, and the run has no such", p.Kind, p.Name, p.Snapshot)
		}
		p.Snapshot = found
	}
	return nil
}

// limited is a buffer that refuses more than limit bytes.
type limited struct {
	bytes.Buffer
	limit int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > l.limit {
		return 0, fmt.Errorf("it has more than %d bytes", l.limit)
	}
	return l.Buffer.Write(p)
}
