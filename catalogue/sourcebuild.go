package catalogue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/recipe/source"
	"github.com/galley-coop/galley/recipe/source/signers"
)

// builtSource is one source in a run.
type builtSource struct {
	source Source
	known  *known // what is published of it, nil for nothing yet
	report SourceReport
	marked bool        // a version was withdrawn, or is no longer
	gone   []Withdrawn // what was not withdrawn before, or for another reason
	opened bool        // its versions were looked at one by one

	candidates []*candidate // until it is finished
	finished   bool

	repository string // Recipe.Repository
	listing    *source.Listing
	signers    *signers.Signers // nil when tags need not be signed
	inputs     string           // known.Inputs as they are now
	forGood    []Refusal        // what is refused for good
	replaced   []string         // entries that another verdict made others of
	merged     merged           // compose files that were merged before
}

// refuse leaves a version out and says why. For good means that only another tag,
// rule or setting can change that.
func (s *builtSource) refuse(version string, forGood bool, r *refusal) {
	refused := Refusal{
		Recipe: s.source.Name, Version: cleanLine(version, maxLine), Kind: r.kind, Reason: r.reason, Findings: r.findings,
	}
	s.report.Refused = append(s.report.Refused, refused)
	if forGood {
		s.forGood = append(s.forGood, refused)
	}
}

// readSource compares a source's tags with what is published, and reads what is
// new. The error is of the source as a whole.
func (b *builder) readSource(ctx context.Context, s *builtSource) error {
	started := time.Now()
	defer func() { s.report.Seconds = time.Since(started).Seconds() }()
	s.report.Name, s.report.Location = s.source.Name, s.source.Location()
	parsed, err := source.Parse(s.source.Location())
	if err != nil {
		s.report.Location = ""
		return err
	}
	s.report.Location = parsed.URL
	if !parsed.Local {
		s.repository = cleanLine(parsed.URL, maxLine)
	}
	if s.listing, err = source.List(ctx, s.source.Location(), s.source.Options(b.opts.CacheDir)); err != nil {
		return err
	}
	if s.inputs, err = b.inputsOf(s); err != nil {
		return err
	}
	s.mark(s.tags(), b.opts.Yanked[s.source.Name], "its tag was removed from the source")
	if s.fresh() || b.opts.Relint {
		return b.readVersions(ctx, s)
	}
	if s.known != nil {
		s.report.Refused = s.known.Refused
	}
	return nil
}

// completeSource asks for the images of what was read, and writes the recipe. The
// error is of the source as a whole, or an *outputError.
func (b *builder) completeSource(ctx context.Context, s *builtSource) error {
	built, err := b.complete(ctx, s, s.candidates)
	if err != nil {
		return err
	}
	s.candidates = nil
	return b.writeRecipe(s, built)
}

// inputsOf hashes what the verdict about a source's versions comes from, but for
// what registries say.
func (b *builder) inputsOf(s *builtSource) (string, error) {
	var text strings.Builder
	fmt.Fprintf(&text, "%d %s %q %q %q %q\n", ledgerFormat, b.ruleSet, s.source.Name, s.source.Gate, s.source.Compose, b.cfg.Platforms)
	if len(s.source.Signers) > 0 {
		allowed, hash, err := b.signers.load(s.source.Signers)
		if err != nil {
			return "", err
		}
		s.signers = allowed
		fmt.Fprintf(&text, "signers %s\n", hash)
	}
	for _, name := range slices.Sorted(maps.Keys(s.listing.Tags)) {
		// Of a lightweight tag a local listing gives the commit as either.
		fmt.Fprintf(&text, "%q %s\n", name, cmp.Or(s.listing.Tags[name].Tag, s.listing.Tags[name].Target))
	}
	return hashOf([]byte(text.String())), nil
}

func (s *builtSource) tags() map[string]bool {
	tags := map[string]bool{}
	for name := range s.listing.Tags {
		tags[name] = true
	}
	return tags
}

// fresh tells whether a tag is neither published as it is nor known to be refused
// for good.
func (s *builtSource) fresh() bool {
	for name, tag := range s.listing.Tags {
		release := s.release(name)
		switch {
		case release != nil && release.Tag == tag.Tag:
		case release == nil && s.known != nil && s.known.Inputs == s.inputs && s.known.refused(cleanLine(name, maxLine)):
		default:
			return true
		}
	}
	return false
}

// mark withdraws what is gone or yanked, and takes back what is there again.
func (s *builtSource) mark(tags map[string]bool, yanked map[string]string, gone string) {
	if s.known == nil {
		return
	}
	for i := range s.known.Releases {
		release := &s.known.Releases[i]
		var now *Withdrawal
		if !tags[release.Version] {
			now = &Withdrawal{Removed, gone}
		}
		if reason, ok := yanked[release.Version]; ok {
			now = &Withdrawal{Yanked, reason}
		}
		if (now == nil) != (release.Withdrawn == nil) || now != nil && *now != *release.Withdrawn {
			release.Withdrawn, s.marked = now, true
			if now != nil {
				s.gone = append(s.gone, Withdrawn{release.Version, *now})
			}
		}
	}
}

// published lists what is published in the report, whatever came of the source.
func (s *builtSource) published() {
	if s.known == nil {
		return
	}
	for _, release := range s.known.Releases {
		s.report.Published = append(s.report.Published, release.Version)
		if release.Withdrawn != nil {
			s.report.Withdrawn = append(s.report.Withdrawn, Withdrawn{release.Version, *release.Withdrawn})
		}
	}
}

// readVersions opens the repository and reads what is new in it.
func (b *builder) readVersions(ctx context.Context, s *builtSource) (err error) {
	repo, err := s.listing.Open(ctx, s.source.Options(b.opts.CacheDir))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, repo.Close()) }()
	versions, err := repo.Versions(ctx)
	if err != nil {
		return err
	}
	s.candidates, err = b.readNew(ctx, s, repo, versions)
	s.opened = err == nil
	return err
}

// readNew reads the versions that are new. The rules see each version with the
// releases before it. A published one that is judged again keeps its digests.
func (b *builder) readNew(ctx context.Context, s *builtSource, repo *source.Repository, versions []source.Version) ([]*candidate, error) {
	var usable []source.Version
	var candidates []*candidate
	loads := &loads{repo: repo}
	for _, v := range versions {
		reason := unusable(v)
		if reason == "" {
			usable = append(usable, v)
		}
		known := s.release(v.Name)
		switch {
		case known != nil && known.Tag == v.Tag && !b.opts.Relint:
			continue
		case known != nil && known.Tag != v.Tag:
			if err := b.reportMoved(s, known, v); err != nil {
				return nil, err
			}
			continue
		case reason != "":
			s.refuse(v.Name, true, &refusal{kind: RefusedTag, reason: cleanLine(reason, maxLine)})
			continue
		}
		c, err := b.readVersion(ctx, s, v, history{loads, slices.Clip(usable)})
		if err == nil && known != nil {
			err = b.keepImages(c, known.Release)
		}
		var refused *refusal
		switch {
		case errors.As(err, &refused):
			s.refuse(v.Name, !errors.Is(err, source.ErrCorrupt), refused)
		case err != nil:
			return nil, err
		default:
			candidates = append(candidates, c)
		}
	}
	return candidates, nil
}

// keepImages takes the digests of what is published.
func (b *builder) keepImages(c *candidate, release Release) error {
	published, err := b.readEntry(c.entry.Recipe, release)
	if err != nil {
		return err
	}
	c.entry.Images = published.Images
	return nil
}

func (s *builtSource) release(version string) *knownRelease {
	if s.known == nil {
		return nil
	}
	return s.known.release(version)
}

// reportMoved reports a tag that names something else than what is published.
func (b *builder) reportMoved(s *builtSource, release *knownRelease, v source.Version) error {
	published, err := b.readEntry(s.source.Name, release.Release)
	if err != nil {
		return err
	}
	now := v.Commit
	if now == "" {
		now = "no commit"
	}
	s.report.Moved = append(s.report.Moved, Moved{Version: v.Name, Published: published.Commit, Now: now})
	return nil
}

// writeRecipe writes a recipe's head with what was built of it, and its part of
// recipes.json.
func (b *builder) writeRecipe(s *builtSource, built []*candidate) error {
	if s.known == nil && len(built)+len(s.forGood) == 0 {
		return nil
	}
	if s.known == nil {
		s.known = &known{}
	}
	if s.opened {
		s.known.Refused, s.known.Inputs = s.forGood, s.inputs
	}
	branch := s.branch()
	if len(s.known.Releases)+len(built) == 0 || len(built) == 0 && !s.marked && branch == s.known.Branch {
		return nil
	}
	r, entries, err := b.merge(s, built)
	if err != nil {
		return err
	}
	r.DefaultBranch = branch
	data, err := encode(r, "")
	if err == nil {
		_, err = decodeRecipe(r.Name, data)
	}
	if err != nil {
		return fmt.Errorf("writing %s: it %w", recipePath(r.Name), err)
	}
	part, err := legacyPart(r, entries)
	if err != nil {
		return err
	}
	if err := b.out.write(recipePath(r.Name), data); err != nil {
		return err
	}
	for _, entry := range s.replaced {
		if err := b.out.remove(entryPath(entry)); err != nil {
			return err
		}
	}
	s.known.Item, s.known.Branch = r.item(), r.DefaultBranch
	b.mu.Lock()
	defer b.mu.Unlock()
	b.parts[r.Name] = part
	return nil
}

// branch is the source's default branch, or what is known of it.
func (s *builtSource) branch() string {
	if s.listing == nil {
		return s.known.Branch
	}
	return cleanLine(s.listing.DefaultBranch, maxBranch)
}

// merge puts what is published and what was built together, ascending. What the
// newest version's README says describes the recipe.
func (b *builder) merge(s *builtSource, built []*candidate) (*Recipe, []*Entry, error) {
	r := &Recipe{Schema: SchemaVersion, Name: s.source.Name, Repository: s.repository}
	byVersion := map[string]*Entry{}
	if len(s.known.Releases) > 0 {
		before, entries, err := b.readRecipe(s.source.Name)
		if err != nil {
			return nil, nil, err
		}
		repository := r.Repository
		r = before
		if s.listing != nil {
			r.Repository = repository
		}
		for _, e := range entries {
			byVersion[e.Version] = e
		}
	}
	for _, c := range built {
		release := knownRelease{Release: Release{Version: c.entry.Version, Entry: c.sha256}, Tag: c.entry.Tag}
		if reason, ok := b.opts.Yanked[s.source.Name][c.entry.Version]; ok {
			release.Withdrawn = &Withdrawal{Yanked, reason}
		}
		if before := s.known.release(c.entry.Version); before != nil {
			if before.Entry != release.Entry {
				s.replaced = append(s.replaced, before.Entry)
			}
			*before = release
		} else {
			s.known.Releases = append(s.known.Releases, release)
			s.report.New = append(s.report.New, c.entry.Version)
		}
		byVersion[c.entry.Version] = &c.entry
	}
	slices.SortFunc(s.known.Releases, func(x, y knownRelease) int { return compareVersions(x.Version, y.Version) })
	r.Versions = nil
	var entries []*Entry
	for _, release := range s.known.Releases {
		r.Versions = append(r.Versions, release.Release)
		entries = append(entries, byVersion[release.Version])
	}
	newest := r.Versions[len(r.Versions)-1].Version
	for _, c := range built {
		if c.entry.Version == newest {
			c.describe(r)
		}
	}
	return r, entries, nil
}

// compareVersions orders names that are versions.
func compareVersions(a, b string) int {
	x, _ := recipe.ParseVersion(a)
	y, _ := recipe.ParseVersion(b)
	return x.Compare(y)
}
