package catalogue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/recipe/source"
)

// RebuildOptions say what is made again.
type RebuildOptions struct {
	// Names are recipes, or versions of them ("web@1.0.0+1.27"); all when empty,
	// withdrawn ones among them.
	Names []string
	// Rules judge again what was judged by the same set of rules.
	Rules []lint.Rule
	// CacheDir keeps mirrors of remote sources; temporary mirrors when empty.
	CacheDir string
	// Progress, which may be nil, counts recipes.
	Progress func(done, total int)
}

// Rebuilding tells of published versions whether they are what the sources give.
type Rebuilding struct {
	Equal     int       `json:"equal"`
	Different int       `json:"different"`
	Unknown   int       `json:"unknown"` // what could not be made again
	Entries   []Rebuilt `json:"entries"` // by recipe, versions ascending
}

// Rebuilt is one version. Digests are the registries', and taken as published.
type Rebuilt struct {
	Recipe  string `json:"recipe"`
	Version string `json:"version"`
	State   string `json:"state"` // Equal, Different or Unknown
	// Differences are of what is different, Reason why it is unknown.
	Differences []FieldDifference `json:"differences"`
	Reason      string            `json:"reason"`
	// Notes say what was not compared, and why.
	Notes []string `json:"notes"`
}

// The states of a Rebuilt.
const (
	Equal     = "equal"
	Different = "different"
	Unknown   = "unknown"
)

// Rebuild makes published versions again from git and compares them, without any
// request to a registry. A tag that moved or is gone is told, and its version made
// from the commit that is published, if that is still there. The error is of the
// catalogue, the configuration or an interruption.
func Rebuild(ctx context.Context, from *Client, cfg Config, opts RebuildOptions) (*Rebuilding, error) {
	found, err := selectEntries(ctx, from, opts.Names, func(Release) bool { return true })
	if err != nil {
		return nil, fmt.Errorf("rebuilding: %w", err)
	}
	b := &builder{cfg: cfg, opts: BuildOptions{Rules: opts.Rules, CacheDir: opts.CacheDir}, ruleSet: lint.RuleSet(opts.Rules)}
	sources := map[string]Source{}
	for _, s := range b.expand(ctx) {
		sources[s.Name] = s
	}
	out := &Rebuilding{Entries: []Rebuilt{}}
	for i, s := range found {
		configured, ok := sources[s.recipe.Name]
		r := &rebuilder{builder: b, source: configured, from: from}
		out.add(r.recipe(ctx, s, ok))
		if err := ctx.Err(); err != nil {
			return nil, fault.Wrap(fault.Interrupted, fmt.Errorf("rebuilding: %w", err))
		}
		if opts.Progress != nil {
			opts.Progress(i+1, len(found))
		}
	}
	return out, nil
}

func (r *Rebuilding) add(list []Rebuilt) {
	for _, one := range list {
		one.Differences = append([]FieldDifference{}, one.Differences...)
		one.Notes = append([]string{}, one.Notes...)
		switch {
		case one.Reason != "":
			one.State, r.Unknown = Unknown, r.Unknown+1
		case len(one.Differences) > 0:
			one.State, r.Different = Different, r.Different+1
		default:
			one.State, r.Equal = Equal, r.Equal+1
		}
		r.Entries = append(r.Entries, one)
	}
}

// rebuilder makes versions of one recipe.
type rebuilder struct {
	*builder
	source   Source
	from     *Client
	repo     *source.Repository
	versions []source.Version // as the repository has them now
}

// recipe makes the chosen versions of a recipe.
func (r *rebuilder) recipe(ctx context.Context, s selected, configured bool) []Rebuilt {
	err := errors.New("the configuration has no source of that name" + r.listsDown())
	if configured {
		err = r.open(ctx)
	}
	if err == nil {
		defer r.repo.Close()
	}
	var list []Rebuilt
	for i, e := range s.entries {
		one := Rebuilt{Recipe: e.Recipe, Version: e.Version}
		if err != nil {
			one.Reason = cleanLine(err.Error(), maxLine)
		} else {
			r.version(ctx, e, s.releases[i], &one)
		}
		list = append(list, one)
	}
	return list
}

// listsDown tells of lists that could not be read: the source may be in one.
func (r *rebuilder) listsDown() string {
	report := Report{Lists: r.lists}
	for _, l := range report.Down() {
		return fmt.Sprintf(", and the list %s could not be read: %s", l.Location, l.Reason)
	}
	return ""
}

func (r *rebuilder) open(ctx context.Context) (err error) {
	options := r.source.Options(r.opts.CacheDir)
	if r.repo, err = source.Open(ctx, r.source.Location(), options); err != nil {
		return err
	}
	if r.versions, err = r.repo.Versions(ctx); err != nil {
		return errors.Join(err, r.repo.Close())
	}
	return nil
}

// version makes one version and compares it.
func (r *rebuilder) version(ctx context.Context, e *Entry, release Release, out *Rebuilt) {
	v, past, tagged := r.find(e, out)
	// The gate was the publisher's when it was built; what is compared is what the
	// linter found.
	s := &builtSource{source: r.source}
	s.source.Gate = GateOff
	c, err := r.readVersion(ctx, s, v, past)
	switch {
	case err != nil && !tagged && errors.Is(err, source.ErrCorrupt):
		out.Reason = cleanLine(fmt.Sprintf("the published commit %s is not there: %v", e.Commit, err), maxLine)
		return
	case errors.Is(err, source.ErrCorrupt), ctx.Err() != nil:
		out.Reason = cleanLine(err.Error(), maxLine)
		return
	case err != nil:
		out.Differences = []FieldDifference{{Field: "files", Rebuilt: cleanLine(err.Error(), maxLine)}}
		return
	}
	cmpr := comparison{published: e, rebuilt: &c.entry, uses: c.images, out: out}
	cmpr.fields()
	if tagged {
		r.signer(ctx, v, &cmpr)
	}
	cmpr.bundle(ctx, r.from, c.bundle)
	if c.entry.Lint.RuleSet != e.Lint.RuleSet { // of the rules that ran, not of all there are
		out.Notes = append(out.Notes, fmt.Sprintf("lint: judged by another rule set (%s)", e.Lint.RuleSet))
	} else {
		cmpr.lint()
	}
	cmpr.whole(release)
}

// find gives the version as the repository has it, with those before it; when its
// tag is not what is published, the published commit stands for it.
func (r *rebuilder) find(e *Entry, out *Rebuilt) (v source.Version, past history, tagged bool) {
	v = source.Version{
		Name: e.Version, Tag: e.Tag, Commit: e.Commit, Annotated: true,
		Date: e.Date, Tagger: source.Person{Name: e.Tagger}, Message: e.Message,
	}
	v.Parsed, _ = recipe.ParseVersion(e.Version) // its reader did
	note := "the tag is gone"
	past.loads = &loads{repo: r.repo}
	for _, now := range r.versions {
		if now.Name == e.Version {
			if now.Tag == e.Tag && unusable(now) == "" {
				past.versions = append(past.versions, now)
				return now, past, true
			}
			note = "the tag moved: it names " + cmp.Or(now.Commit, "no commit") + " now"
			break
		}
		if unusable(now) == "" && compareVersions(now.Name, e.Version) < 0 {
			past.versions = append(past.versions, now)
		}
	}
	past.versions = append(past.versions, v)
	out.Notes = append(out.Notes, note+"; rebuilt from the published commit "+e.Commit)
	return v, past, false
}

// signer looks who signed the tag, when that is published.
func (r *rebuilder) signer(ctx context.Context, v source.Version, c *comparison) {
	published := c.published.Signer
	if published == nil {
		return
	}
	if len(r.source.Signers) == 0 {
		c.out.Notes = append(c.out.Notes, "signer: not compared, the source names no signers")
		return
	}
	s := &builtSource{source: r.source}
	var now *Signer
	var err error
	if s.signers, _, err = r.signers.load(r.source.Signers); err == nil {
		now, err = s.signedBy(ctx, r.repo, v)
	}
	if err != nil {
		c.differ("signer", signerText(published), cleanLine(err.Error(), maxLine))
		return
	}
	c.text("signer", signerText(published), signerText(now))
}

func signerText(s *Signer) string { return fmt.Sprintf("%s %s %s", s.Kind, s.Fingerprint, s.Name) }

func dateText(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// passes tells whether what the linter found passes a gate.
func passes(v Verdict) bool {
	level, err := lint.ParseSeverity(v.Gate)
	if v.Gate == GateOff || err != nil {
		return !v.Vetted
	}
	found := map[lint.Severity]int{lint.Error: v.Errors, lint.Warning: v.Warnings, lint.Info: v.Infos}
	for severity, n := range found {
		if severity >= level && n > 0 {
			return false
		}
	}
	return v.Vetted
}
