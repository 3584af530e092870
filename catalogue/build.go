package catalogue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/registry"
)

// BuildOptions say what a build works with.
type BuildOptions struct {
	// Output is the folder of the unsigned catalogue. What it holds is gone on
	// from; one that holds anything else than a catalogue is refused.
	Output string
	// Previous is a published catalogue (a folder or an address) that is gone on
	// from when Output is empty; "" for a first build. PreviousRoot pins its root.
	Previous     string
	PreviousRoot []byte
	// Resolver asks registries. It should have the Config's Registries as
	// Rewrites and its Insecure hosts.
	Resolver *registry.Resolver
	// Rules judge every version; each source's gate decides what that means.
	Rules []lint.Rule
	// CacheDir keeps mirrors of remote sources and what was learned; temporary
	// mirrors when empty.
	CacheDir string
	// Yanked are the versions that the publisher withdrew.
	Yanked Yanks
	// Relint judges published versions again and puts the new verdict in their
	// entries. Without it a verdict stays with the rule set that gave it.
	Relint bool
	// Progress, which may be nil, is called from one goroutine at a time.
	Progress func(Event)
	// Estimated, which may be nil, is called once, with what registries are about to
	// be asked. Then no question is asked before all sources were read, unless what
	// they hold is too much to keep meanwhile.
	Estimated func(Estimate)
	// Now is the report's time; zero means the clock. Nothing published has it.
	Now time.Time
}

// Build brings the unsigned catalogue up to date with every version of every
// source. What is there is never built again: a version is known by its tag
// object, and one whose tag did not change costs no look at its files and no
// request to a registry. What comes out depends on the tags, the rules, what
// registries answer and what was published before, and on nothing else: no time,
// no path, no order of arrival.
//
// A published version stays. When its tag moved that is an error in the report;
// when its tag is gone the version is marked withdrawn. A new version that cannot
// be published is left out and stands in the report with its reason, and so does
// a source that cannot be read; what was published of it stays too.
//
// The error is of the run itself. What was finished by then is kept: the next
// run goes on from there.
func Build(ctx context.Context, cfg Config, opts BuildOptions) (_ *Report, err error) {
	started := time.Now()
	if opts.Now.IsZero() {
		opts.Now = started
	}
	if len(opts.Rules) == 0 || opts.Resolver == nil {
		return nil, fault.New(fault.Usage, "building a catalogue needs rules and a resolver")
	}
	out, err := openOutput(ctx, opts.Output)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, out.close()) }()
	b := &builder{cfg: cfg, opts: opts, out: out, ruleSet: lint.RuleSet(opts.Rules)}
	if err := b.run(ctx); err != nil {
		return nil, fmt.Errorf("building the catalogue: %w", err)
	}
	report := b.report(started)
	b.forget(report)
	b.keepQuotas()
	return report, nil
}

// builder is one run.
type builder struct {
	cfg      Config
	opts     BuildOptions
	out      *output
	ruleSet  string
	state    *state
	listDown bool // what a list names is not known
	dry      bool // nothing is written, and bundles do not matter
	reread   bool // the tree was read whole, so it may hold what nothing names
	sources  []*builtSource
	lists    []ListReport
	images   images
	held     atomic.Int64 // bytes of bundles that wait for their images
	signers  allowedSigners

	mu    sync.Mutex // guards what follows, and Progress
	done  int
	parts map[string]json.RawMessage // of recipes.json, of recipes that changed
}

func (b *builder) run(ctx context.Context) (err error) {
	if err := b.seed(ctx); err != nil {
		return err
	}
	if b.state, err = b.readState(); err != nil {
		return err
	}
	b.parts = map[string]json.RawMessage{}
	b.images.before = b.opts.Resolver.Stats()
	if err := b.buildSources(ctx); err != nil {
		return err
	}
	if err := b.retireSources(); err != nil {
		return err
	}
	return b.finish()
}

// buildSources builds all sources side by side. A failure that is not of one
// source ends the run; what others finished is in place by then.
func (b *builder) buildSources(ctx context.Context) error {
	b.openSources(ctx)
	if b.opts.Estimated == nil {
		return b.eachSource(ctx, func(ctx context.Context, s *builtSource) error {
			return b.finished(ctx, s, b.readSource(ctx, s))
		})
	}
	if err := b.eachSource(ctx, b.readUpTo); err != nil {
		return err
	}
	b.opts.Estimated(b.estimate(ctx))
	return b.eachSource(ctx, func(ctx context.Context, s *builtSource) error {
		if s.finished {
			return nil
		}
		return b.finished(ctx, s, nil)
	})
}

func (b *builder) openSources(ctx context.Context) {
	for _, s := range b.expand(ctx) {
		b.sources = append(b.sources, &builtSource{source: s, known: b.state.recipes[s.Name]})
	}
}

// eachSource works on all sources side by side. A failure of one source that work
// gives back ends all.
func (b *builder) eachSource(ctx context.Context, work func(context.Context, *builtSource) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4 * runtime.GOMAXPROCS(0))
	for _, s := range b.sources {
		group.Go(func() error { return work(ctx, s) })
	}
	return group.Wait()
}

// expand reads the lists of sources.
func (b *builder) expand(ctx context.Context) []Source {
	sources, failures := b.cfg.Expand(ctx, ExpandOptions{Skipped: func(skip ListSkip) {
		b.lists = append(b.lists, ListReport{Location: skip.Location, Skipped: skip.Name, Reason: skip.Reason})
	}})
	for _, failure := range failures {
		b.listDown = true
		b.lists = append(b.lists, ListReport{Location: failure.Location, Reason: cleanLine(failure.Err.Error(), maxLine)})
	}
	return sources
}

// finished completes a source that was read, takes its result over and shows
// progress. What is wrong with the source is for the report; the error ends the
// run.
func (b *builder) finished(ctx context.Context, s *builtSource, err error) error {
	if err == nil {
		err = b.completeSource(ctx, s)
	}
	var own *outputError
	if ctx.Err() != nil || errors.As(err, &own) {
		return errors.Join(ctx.Err(), err)
	}
	if err != nil {
		s.report.Error = cleanLine(err.Error(), maxLine)
	}
	s.published()
	s.finished = true
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done++
	if s.known != nil {
		b.state.recipes[s.source.Name] = s.known
	}
	if b.opts.Progress != nil {
		b.opts.Progress(b.event(StageSources, s.source.Name, b.done, len(b.sources)))
	}
	return nil
}

// retireSources withdraws what is published of recipes whose source is no longer
// in the configuration: nobody looks after them. While a list cannot be read
// nobody knows whose that is.
func (b *builder) retireSources() error {
	for name := range b.retired() {
		s := b.retire(name)
		if err := b.writeRecipe(s, nil); err != nil {
			return err
		}
		s.published()
		b.sources = append(b.sources, s)
	}
	return nil
}

// retired are the recipes whose source is no longer in the configuration.
func (b *builder) retired() map[string]*known {
	if b.listDown {
		return nil
	}
	retired := maps.Clone(b.state.recipes)
	for _, s := range b.sources {
		delete(retired, s.source.Name)
	}
	return retired
}

// retire withdraws all versions of a recipe.
func (b *builder) retire(name string) *builtSource {
	s := &builtSource{source: Source{Name: name}, known: b.state.recipes[name]}
	s.report.Name = name
	s.mark(map[string]bool{}, b.opts.Yanked[name], "its source is no longer in the configuration")
	return s
}

// finish writes what speaks of all recipes, and keeps the ledger.
func (b *builder) finish() error {
	index := Index{Schema: SchemaVersion, Name: b.cfg.Name, Recipes: []IndexItem{}}
	for _, name := range b.state.names() {
		index.Recipes = append(index.Recipes, b.state.recipes[name].Item)
	}
	data, err := encodeIndex(index)
	if err != nil {
		return err
	}
	if err := b.writeLegacy(); err != nil {
		return err
	}
	if b.reread {
		if err := b.dropUnnamed(); err != nil {
			return err
		}
	}
	old, err := b.out.dir.Read(indexName, maxTargetFile)
	if err != nil || string(old) != string(data) {
		if err := b.out.write(indexName, data); err != nil {
			return err
		}
	}
	b.writeLedger(data)
	return nil
}

// writeLegacy brings recipes.json up to date. After a run that was killed, or
// for a tree of another galley, all of it is made anew.
func (b *builder) writeLegacy() error {
	old, err := b.out.dir.Read(recipesName, maxTargetFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading %s: %w", recipesName, err)
	}
	b.out.reads.Add(1)
	parts := map[string]json.RawMessage{}
	if old != nil && !b.reread && len(b.parts) == 0 {
		return nil
	}
	if old == nil || b.reread || json.Unmarshal(old, &parts) != nil {
		if parts, err = b.allParts(); err != nil {
			return err
		}
	}
	maps.Copy(parts, b.parts)
	data, err := encodeLegacy(parts)
	if err != nil {
		return fmt.Errorf("writing %s: %w", recipesName, err)
	}
	if string(old) == string(data) {
		return nil
	}
	return b.out.write(recipesName, data)
}

// allParts makes every recipe's part of recipes.json that this run did not make.
func (b *builder) allParts() (map[string]json.RawMessage, error) {
	parts := map[string]json.RawMessage{}
	for _, name := range b.state.names() {
		if _, ok := b.parts[name]; ok {
			continue
		}
		r, entries, err := b.readRecipe(name)
		if err != nil {
			return nil, err
		}
		if parts[name], err = legacyPart(r, entries); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// readRecipe reads a recipe of the tree with all of its entries.
func (b *builder) readRecipe(name string) (*Recipe, []*Entry, error) {
	data, err := b.out.read(recipePath(name), maxTargetFile)
	if err != nil {
		return nil, nil, err
	}
	r, err := decodeRecipe(name, data)
	if err != nil {
		return nil, nil, b.damaged(recipePath(name), err)
	}
	entries := make([]*Entry, len(r.Versions))
	for i, release := range r.Versions {
		if entries[i], err = b.readEntry(name, release); err != nil {
			return nil, nil, b.damaged(entryPath(release.Entry), err)
		}
	}
	return r, entries, nil
}

func encodeIndex(index Index) ([]byte, error) {
	data, err := encode(index, "")
	if err == nil {
		_, err = decodeIndex(data)
	}
	if err != nil {
		return nil, fmt.Errorf("writing %s: it %w", indexName, err)
	}
	return data, nil
}
