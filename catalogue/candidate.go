package catalogue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/recipe/source"
)

// candidate is a version that has a bundle and passed its gate. Its digests are
// not known yet.
type candidate struct {
	entry  Entry
	sha256 string     // of the entry, once it is complete
	bundle []byte     // until it is written
	images []imageUse // entry.Images is nil until they are known
	readme *recipe.Readme
}

// refusal is why a version is no candidate.
type refusal struct {
	kind     string // Refusal.Kind
	reason   string
	findings []lint.Finding
	err      error // what it came from, if anything
}

func (r *refusal) Error() string { return r.reason }
func (r *refusal) Unwrap() error { return r.err }

func refuse(kind string, err error) error {
	return &refusal{kind: kind, reason: cleanLine(err.Error(), maxLine), err: err}
}

func refusef(format string, args ...any) error {
	return &refusal{kind: RefusedFiles, reason: cleanLine(fmt.Sprintf(format, args...), maxLine)}
}

// unusable says why a tag is no release, "" when it is one.
func unusable(v source.Version) string {
	_, err := recipe.ParseVersion(v.Name)
	switch {
	case err != nil:
		return "the tag's name is no version: " + err.Error()
	case v.Err != nil:
		return v.Err.Error()
	case !v.Annotated:
		return "the tag is lightweight; a release is an annotated tag (git tag -a)"
	}
	return ""
}

// readVersion reads, judges and bundles one version. The error is a *refusal
// when the version cannot be published.
func (b *builder) readVersion(ctx context.Context, s *builtSource, v source.Version, past history) (*candidate, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	signer, err := s.signedBy(ctx, past.repo, v)
	if err != nil {
		return nil, refuse(RefusedSignature, err)
	}
	tree, err := past.Tree(ctx, v.Commit)
	if err != nil {
		return nil, refuse(RefusedFiles, err)
	}
	r, err := past.Recipe(ctx, v.Commit, recipe.Options{Name: s.source.Name, Compose: s.source.Compose})
	if err != nil {
		return nil, refuse(RefusedFiles, err)
	}
	if err := unreadable(tree, r, s.source.Compose); err != nil {
		return nil, err
	}
	c := &candidate{entry: newEntry(s.source.Name, v, r), readme: r.Readme}
	c.entry.Signer = signer
	if c.entry.Lint, err = b.lint(ctx, s.source, r, past); err != nil {
		return nil, err
	}
	if c.images, err = imagesOf(ctx, r, &s.merged); err != nil {
		return nil, refuse(RefusedFiles, err)
	}
	var tar bytes.Buffer
	if err := recipe.WriteBundle(&tar, tree); err != nil {
		return nil, refuse(RefusedFiles, err)
	}
	c.bundle = tar.Bytes()
	c.entry.Bundle = Bundle{SHA256: hashOf(c.bundle), Size: int64(len(c.bundle))}
	return c, nil
}

// unreadable refuses a version of which a git object is damaged, which is not for
// good, or that has no base compose file to read.
func unreadable(tree fs.FS, r *recipe.Recipe, compose string) error {
	bases := recipe.ComposeNames
	if compose != "" {
		bases = []string{compose}
	}
	var base error
	for _, p := range r.Problems {
		if _, err := fs.ReadFile(tree, p.Range.File); errors.Is(err, source.ErrCorrupt) {
			return refuse(RefusedFiles, err)
		}
		if slices.Contains(bases, p.Range.File) && base == nil {
			base = refusef("%s %s", p.Range.File, p.Message)
		}
	}
	switch {
	case r.Base != nil:
		return nil
	case base != nil:
		return base
	case compose != "":
		return refusef("there is no compose file %q at this version", compose)
	}
	return refusef("there is no compose file at this version; expected one of %s", strings.Join(bases, ", "))
}

func newEntry(name string, v source.Version, r *recipe.Recipe) Entry {
	e := Entry{
		Schema: SchemaVersion, Recipe: name, Version: v.Name, Tag: v.Tag, Commit: v.Commit,
		Date:    v.Date.UTC().Truncate(time.Second),
		Tagger:  cleanLine(v.Tagger.Name, maxTagger),
		Message: cleanText(v.Message, maxMessage),
		Compose: r.Base.Text.Path, Overlays: []string{},
	}
	for _, d := range r.Overlays {
		e.Overlays = append(e.Overlays, d.Text.Path)
	}
	for _, n := range r.Notes {
		if n.Version == v.Name {
			e.Notes = cleanText(n.Body(), maxNotes)
		}
	}
	return e
}

// lint judges a version. A rule that panics leaves no verdict, so the version is
// refused.
func (b *builder) lint(ctx context.Context, s Source, r *recipe.Recipe, past history) (Verdict, error) {
	target := lint.Target{Path: s.Name, Recipe: r, World: lint.World{History: lint.Remember(past)}}
	result, err := lint.Run(ctx, []lint.Target{target}, b.opts.Rules, lint.Options{})
	if ctx.Err() != nil {
		return Verdict{}, ctx.Err()
	}
	if err != nil {
		return Verdict{}, refusef("linting: %v", err)
	}
	level, gated := s.severity()
	if gated && result.Failing(level) {
		failing := slices.DeleteFunc(slices.Clone(result.Findings), func(f lint.Finding) bool { return f.Severity < level })
		return Verdict{}, &refusal{kind: RefusedLint, reason: gateReason(s.Gate, failing), findings: failing}
	}
	verdict := Verdict{
		RuleSet: result.RuleSet, Gate: s.Gate, Vetted: gated,
		Errors: result.Summary.Errors, Warnings: result.Summary.Warnings, Infos: result.Summary.Infos,
		Fingerprints: []string{},
	}
	for _, f := range result.Findings {
		verdict.Fingerprints = append(verdict.Fingerprints, f.Fingerprint)
	}
	slices.Sort(verdict.Fingerprints)
	verdict.Fingerprints = slices.Compact(verdict.Fingerprints)
	return verdict, nil
}

// gateReason names the rules and what the first of them says.
func gateReason(gate string, findings []lint.Finding) string {
	var ids []string
	for _, f := range findings {
		ids = append(ids, f.Rule)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	f := findings[0]
	return cleanLine(fmt.Sprintf("lint gate %q: %s; %s:%d:%d: %s",
		gate, strings.Join(ids, ", "), f.File, f.Start.Line, f.Start.Column, f.Message), maxLine)
}

// describe fills in what the README of this version says of its recipe.
func (c *candidate) describe(r *Recipe) {
	if c.readme == nil {
		return
	}
	m := c.readme.Metadata
	status, _ := m.Status()
	image := m.Image()
	r.Description = cleanLine(c.readme.Description, maxLine)
	r.Category = cleanLine(m.Category(), maxName)
	r.Features = Features{
		Status: status, Image: cleanLine(image.Name, maxLine), ImageURL: cleanLine(image.URL, maxLine),
		Rating: cleanLine(image.Rating, maxLine), Source: cleanLine(image.Source, maxLine),
		Healthcheck: cleanLine(m.Healthcheck(), maxLine), Backups: cleanLine(m.Backups(), maxLine),
		Email: cleanLine(m.Email(), maxLine), Tests: cleanLine(m.Tests(), maxLine), SSO: cleanLine(m.SSO(), maxLine),
	}
}
