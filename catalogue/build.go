package catalogue

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/registry"
)

// BuildOptions say what a build works with.
type BuildOptions struct {
	// Output is the folder of the unsigned catalogue. It is replaced as a whole;
	// one that holds anything else is refused.
	Output string
	// Resolver asks registries. It should have the Config's Registries as
	// Rewrites and its Insecure hosts.
	Resolver *registry.Resolver
	// Rules judge every version; each source's gate decides what that means.
	Rules []lint.Rule
	// CacheDir keeps mirrors of remote sources; temporary ones when empty.
	CacheDir string
	// Progress, which may be nil, is called from one goroutine at a time.
	Progress func(Event)
	// Now is the report's time; zero means the clock. Nothing published has it.
	Now time.Time
}

// Build makes the unsigned catalogue of every version of every source. What
// comes out depends on the sources' tags, the rules and what the registries
// answer, and on nothing else: no time, no path, no order of arrival.
//
// A version that cannot be published is left out and stands in the report with
// its reason, and so does a source that cannot be read. The error is of the run
// itself: nothing was written then.
func Build(ctx context.Context, cfg Config, opts BuildOptions) (_ *Report, err error) {
	started := time.Now()
	if opts.Now.IsZero() {
		opts.Now = started
	}
	if len(opts.Rules) == 0 || opts.Resolver == nil {
		return nil, fault.New(fault.Usage, "building a catalogue needs rules and a resolver")
	}
	out, err := newOutput(opts.Output)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, out.discard()) }()
	b := &builder{cfg: cfg, opts: opts, out: out, ruleSet: lint.RuleSet(opts.Rules)}
	if err := b.readSources(ctx); err != nil {
		return nil, fmt.Errorf("building the catalogue: %w", err)
	}
	report := &Report{Schema: SchemaVersion, Name: cfg.Name, Output: opts.Output, Started: opts.Now.UTC().Truncate(time.Second)}
	if err := b.resolve(ctx, &report.Requests); err != nil {
		return nil, fmt.Errorf("building the catalogue: %w", err)
	}
	recipes := b.recipes()
	if err := out.write(cfg.Name, recipes); err != nil {
		return nil, fmt.Errorf("building the catalogue: %w", err)
	}
	for _, s := range b.sources {
		report.Refused += len(s.report.Refused)
		report.Versions += len(s.report.Published)
		report.Sources = append(report.Sources, s.report)
	}
	report.Recipes, report.Seconds = len(recipes), time.Since(started).Seconds()
	report.fill()
	return report, nil
}

// builder is one run.
type builder struct {
	cfg     Config
	opts    BuildOptions
	out     *output
	ruleSet string
	sources []*builtSource // by name

	mu   sync.Mutex // guards done and Progress
	done int
}

// builtSource is what was read of one source.
type builtSource struct {
	source     Source
	report     SourceReport
	recipe     Recipe // without its versions
	candidates []*candidate
}

// refuse takes a version out and says why.
func (s *builtSource) refuse(version, reason string, findings ...lint.Finding) {
	s.report.Refused = append(s.report.Refused, Refusal{
		Recipe: s.source.Name, Version: cleanLine(version, maxLine), Reason: reason, Findings: findings,
	})
}

// readSources reads all sources side by side.
func (b *builder) readSources(ctx context.Context) error {
	for _, s := range b.cfg.Sources {
		b.sources = append(b.sources, &builtSource{source: s})
	}
	slices.SortFunc(b.sources, func(x, y *builtSource) int { return strings.Compare(x.source.Name, y.source.Name) })
	var group errgroup.Group
	group.SetLimit(2 * runtime.GOMAXPROCS(0))
	for _, s := range b.sources {
		group.Go(func() error {
			started := time.Now()
			err := b.readSource(ctx, s)
			s.report.Seconds = time.Since(started).Seconds()
			var own *outputError
			if ctx.Err() != nil || errors.As(err, &own) {
				return errors.Join(ctx.Err(), err)
			}
			if err != nil {
				s.report.Error, s.candidates = cleanLine(err.Error(), maxLine), nil
			}
			b.progress(Event{Stage: StageSources, Name: s.source.Name, Total: len(b.sources)})
			return nil
		})
	}
	return group.Wait()
}

// progress counts sources; images are counted by who asks for them.
func (b *builder) progress(e Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.Stage == StageSources {
		b.done++
		e.Done = b.done
	}
	if b.opts.Progress != nil {
		b.opts.Progress(e)
	}
}

// resolve asks once for every image that any version names, and completes or
// refuses each candidate.
func (b *builder) resolve(ctx context.Context, requests *Requests) error {
	started := time.Now()
	wanted := map[string]bool{}
	for _, s := range b.sources {
		for _, c := range s.candidates {
			for _, use := range c.images {
				wanted[use.ref.String()] = true
			}
		}
	}
	before := b.opts.Resolver.Stats()
	results := b.opts.Resolver.ResolveAll(ctx, slices.Sorted(maps.Keys(wanted)), func(done, total int) {
		b.progress(Event{Stage: StageImages, Done: done, Total: total})
	})
	if err := ctx.Err(); err != nil {
		return err
	}
	requests.since(before, b.opts.Resolver.Stats())
	requests.References, requests.Seconds = len(wanted), time.Since(started).Seconds()
	for _, s := range b.sources {
		s.candidates = slices.DeleteFunc(s.candidates, func(c *candidate) bool {
			images, err := b.images(c.images, results)
			if err != nil {
				s.refuse(c.entry.Version, err.Error())
			}
			c.entry.Images = images
			return err != nil
		})
	}
	return nil
}

// recipes puts the candidates that are left together, by name.
func (b *builder) recipes() []*Recipe {
	var recipes []*Recipe
	for _, s := range b.sources {
		s.dropUnfit()
		if len(s.candidates) == 0 {
			continue
		}
		r := s.recipe
		s.candidates[len(s.candidates)-1].describe(&r)
		for _, c := range s.candidates {
			r.Versions = append(r.Versions, c.entry)
			s.report.Published = append(s.report.Published, c.entry.Version)
		}
		recipes = append(recipes, &r)
	}
	return recipes
}

// dropUnfit refuses the versions that no reader would take, such as one with a
// control character in a file's name.
func (s *builtSource) dropUnfit() {
	check := func(candidates ...*candidate) error {
		r := s.recipe
		for _, c := range candidates {
			c.describe(&r)
			r.Versions = append(r.Versions, c.entry)
		}
		data, err := encode(r, "")
		if err != nil {
			return err
		}
		_, err = decodeRecipe(s.source.Name, data)
		return err
	}
	if len(s.candidates) == 0 || check(s.candidates...) == nil {
		return
	}
	s.candidates = slices.DeleteFunc(s.candidates, func(c *candidate) bool {
		err := check(c)
		if err != nil {
			s.refuse(c.entry.Version, "its entry "+cleanLine(err.Error(), maxLine))
		}
		return err != nil
	})
}

// outputError is a failure to write: it ends the run, whatever was being read.
type outputError struct{ err error }

func (e *outputError) Error() string { return e.err.Error() }
func (e *outputError) Unwrap() error { return e.err }

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}
