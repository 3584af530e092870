package catalogue

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/lint"
)

// Plan is what a build would do.
type Plan struct {
	Schema  int          `json:"schema"`
	Name    string       `json:"name"`
	Output  string       `json:"output"`
	New     int          `json:"new"`     // versions that would be built
	Moved   int          `json:"moved"`   // published versions whose tag moved
	Removed int          `json:"removed"` // versions that would be withdrawn
	Refused int          `json:"refused"` // versions
	Sources []SourcePlan `json:"sources"` // by name
	Lists   []ListReport `json:"lists"`
	Asks    Estimate     `json:"asks"`
}

// SourcePlan is one source's part. What would not change is not in it.
type SourcePlan struct {
	Name     string      `json:"name"`
	Location string      `json:"location"` // without credentials
	New      []string    `json:"new"`
	Moved    []Moved     `json:"moved"`
	Removed  []Withdrawn `json:"removed"`
	Refused  []Refusal   `json:"refused"`
	Error    string      `json:"error"`
}

// DryRun reads what Build would read and says what it would do. It asks no
// registry, and it writes nothing but mirrors of git repositories in
// opts.CacheDir. New versions are read and judged, so those that the gate refuses
// are known; what a registry would refuse is not.
func DryRun(ctx context.Context, cfg Config, opts BuildOptions) (_ *Plan, err error) {
	if opts.Now.IsZero() {
		opts.Now = time.Now()
	}
	if len(opts.Rules) == 0 || opts.Resolver == nil {
		return nil, fault.New(fault.Usage, "planning a catalogue needs rules and a resolver")
	}
	out, closeOut, err := openDry(ctx, opts)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeOut()) }()
	b := &builder{cfg: cfg, opts: opts, out: out, ruleSet: lint.RuleSet(opts.Rules), dry: true}
	plan, err := b.plan(ctx)
	if err != nil {
		return nil, fmt.Errorf("planning the catalogue: %w", err)
	}
	return plan, nil
}

// openDry opens the output to read it, locked. A folder that a build would fill
// first is left alone, and a temporary one stands for it.
func openDry(ctx context.Context, opts BuildOptions) (*output, func() error, error) {
	abs, err := filepath.Abs(opts.Output)
	if err != nil || opts.Output == "" {
		return nil, nil, fault.New(fault.Usage, "planning a catalogue needs its output folder")
	}
	if err := checkOwn(abs); err != nil {
		return nil, nil, err
	}
	built := exists(filepath.Join(abs, filepath.FromSlash(indexName)))
	if !exists(abs) || !built && opts.Previous != "" {
		return openTemporary()
	}
	dir, err := disk.Open(abs)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the catalogue: %w", err)
	}
	unlock, err := lockFolder(ctx, abs)
	if err != nil {
		return nil, nil, errors.Join(err, dir.Close())
	}
	return &output{dir: dir, unlock: unlock}, func() error { return errors.Join(unlock(), dir.Close()) }, nil
}

func openTemporary() (*output, func() error, error) {
	temp, err := os.MkdirTemp("", "galley-plan-")
	if err != nil {
		return nil, nil, fmt.Errorf("planning the catalogue: %w", err)
	}
	dir, err := disk.Open(temp)
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(temp))
	}
	return &output{dir: dir}, func() error { return errors.Join(dir.Close(), os.RemoveAll(temp)) }, nil
}

func (b *builder) plan(ctx context.Context) (*Plan, error) {
	if err := b.seed(ctx); err != nil {
		return nil, err
	}
	var err error
	if b.state, err = b.readState(); err != nil {
		return nil, err
	}
	b.openSources(ctx)
	if err := b.eachSource(ctx, b.planSource); err != nil {
		return nil, err
	}
	b.planRetired()
	p := &Plan{Schema: SchemaVersion, Name: b.cfg.Name, Output: b.opts.Output, Sources: []SourcePlan{}, Lists: append([]ListReport{}, b.lists...)}
	for _, s := range b.sources {
		p.add(s)
	}
	slices.SortFunc(p.Sources, func(x, y SourcePlan) int { return strings.Compare(x.Name, y.Name) })
	p.Asks = b.estimate(ctx)
	return p, nil
}

func (b *builder) planSource(ctx context.Context, s *builtSource) error {
	err := b.readSource(ctx, s)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		s.report.Error = cleanLine(err.Error(), maxLine)
	}
	for _, c := range s.candidates {
		c.bundle = nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done++
	if b.opts.Progress != nil {
		b.opts.Progress(b.event(StageSources, s.source.Name, b.done, len(b.sources)))
	}
	return nil
}

// planRetired is what retireSources would do.
func (b *builder) planRetired() {
	for _, name := range slices.Sorted(maps.Keys(b.retired())) {
		s := b.retire(name)
		b.sources = append(b.sources, s)
	}
}

// add takes a source in.
func (p *Plan) add(s *builtSource) {
	one := SourcePlan{
		Name: s.report.Name, Location: s.report.Location, Error: s.report.Error, New: []string{},
		Moved: append([]Moved{}, s.report.Moved...), Removed: append([]Withdrawn{}, s.gone...), Refused: append([]Refusal{}, s.report.Refused...),
	}
	for _, c := range s.candidates {
		if s.release(c.entry.Version) == nil {
			one.New = append(one.New, c.entry.Version)
		}
	}
	for i := range one.Refused {
		one.Refused[i].Findings = append([]lint.Finding{}, one.Refused[i].Findings...)
	}
	p.New += len(one.New)
	p.Moved += len(one.Moved)
	p.Removed += len(one.Removed)
	p.Refused += len(one.Refused)
	if len(one.New)+len(one.Moved)+len(one.Removed)+len(one.Refused) > 0 || one.Error != "" {
		p.Sources = append(p.Sources, one)
	}
}

// Failed tells whether the build would end with an answer that is no, as far as
// that is known: a source or a list cannot be read, or a tag moved.
func (p *Plan) Failed() bool {
	failed := p.Moved > 0
	for _, s := range p.Sources {
		failed = failed || s.Error != ""
	}
	for _, l := range p.Lists {
		failed = failed || l.Skipped == ""
	}
	return failed
}

// JSON is the plan as its schema describes it.
func (p *Plan) JSON() ([]byte, error) { return document("plan", p) }

// Write writes the plan to a file.
func (p *Plan) Write(name string) error {
	data, err := p.JSON()
	if err != nil {
		return err
	}
	return writeReport(name, data)
}
