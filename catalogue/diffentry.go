package catalogue

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/galley-coop/galley/registry"
)

// note adds what two heads of a recipe, one of which may be nil, say.
func (d *Difference) note(before, after *Recipe, entries map[string]*Entry) {
	switch {
	case before == nil:
		d.Added = append(d.Added, summaryOf(after, entries))
	case after == nil:
		d.Removed = append(d.Removed, summaryOf(before, entries))
		for _, r := range before.Versions {
			d.Broken = append(d.Broken, vanished(before.Name, r.Version))
		}
	default:
		change := changeOf(before, after, entries)
		d.Changed = append(d.Changed, change)
		d.Broken = append(d.Broken, change.broken()...)
	}
}

func summaryOf(r *Recipe, entries map[string]*Entry) RecipeSummary {
	s := RecipeSummary{Name: r.Name, Description: r.Description, Category: r.Category, Versions: []string{}}
	for _, release := range r.Versions {
		s.Versions = append(s.Versions, release.Version)
	}
	if newest := r.Newest(); newest != nil {
		v := versionOf(*newest, entries[newest.Entry])
		s.Newest = &v
	}
	return s
}

func versionOf(r Release, e *Entry) VersionSummary {
	v := VersionSummary{
		Version: r.Version, Withdrawn: r.Withdrawn, Commit: e.Commit, Date: e.Date,
		Signer: e.Signer, Images: []Pin{}, Lint: e.Lint, Notes: e.Notes,
	}
	for _, image := range e.Images {
		v.Images = append(v.Images, *pinOf(image))
	}
	return v
}

func pinOf(i Image) *Pin { return &Pin{i.Reference, i.Digest} }

// changeOf compares the heads of a recipe that both have.
func changeOf(before, after *Recipe, entries map[string]*Entry) RecipeChange {
	c := RecipeChange{
		Name: after.Name, Newest: newestChange(before.Newest(), after.Newest(), entries), Fields: fieldChanges(before.fields(), after.fields()),
		Added: []VersionSummary{}, Removed: []string{}, Withdrawn: []WithdrawalChange{}, Entries: []EntryChange{},
	}
	for _, is := range after.Versions {
		was := before.Release(is.Version)
		if was == nil {
			c.Added = append(c.Added, versionOf(is, entries[is.Entry]))
			continue
		}
		if !sameWithdrawal(was.Withdrawn, is.Withdrawn) {
			c.Withdrawn = append(c.Withdrawn, WithdrawalChange{is.Version, was.Withdrawn, is.Withdrawn})
		}
		if was.Entry != is.Entry {
			c.Entries = append(c.Entries, entryChange(entries[was.Entry], entries[is.Entry]))
		}
	}
	for _, was := range before.Versions {
		if after.Release(was.Version) == nil {
			c.Removed = append(c.Removed, was.Version)
		}
	}
	return c
}

func sameWithdrawal(a, b *Withdrawal) bool {
	return (a == nil) == (b == nil) && (a == nil || *a == *b)
}

func newestChange(was, is *Release, entries map[string]*Entry) *NewestChange {
	if !anotherNewest(was, is) {
		return nil
	}
	c := &NewestChange{}
	var before, after []Image
	if was != nil {
		c.Before, before = was.Version, entries[was.Entry].Images
	}
	if is != nil {
		c.After, after = is.Version, entries[is.Entry].Images
	}
	c.Images = imageChanges(before, after)
	return c
}

// entryChange compares two entries of one version.
func entryChange(before, after *Entry) EntryChange {
	c := EntryChange{
		Version: after.Version,
		Fields:  fieldChanges(before.fields(), after.fields()),
		Images:  imageChanges(before.Images, after.Images),
	}
	for _, image := range before.Images {
		if now := after.Image(image.Reference); now != nil && now.Digest == image.Digest {
			c.Fields = append(c.Fields, fieldChanges(image.fields(), now.fields())...)
		}
	}
	a, b := before.Lint, after.Lint
	if a.summary() != b.summary() || !slices.Equal(a.Fingerprints, b.Fingerprints) {
		c.Lint = &LintChange{a, b}
	}
	return c
}

// field is one text of a head or an entry.
type field struct{ name, value string }

// fieldChanges compares two lists of the same fields.
func fieldChanges(before, after []field) []FieldChange {
	changes := []FieldChange{}
	for i := range before {
		if before[i].value != after[i].value {
			changes = append(changes, FieldChange{after[i].name, before[i].value, after[i].value})
		}
	}
	return changes
}

func (r *Recipe) fields() []field {
	f := r.Features
	return []field{
		{"description", r.Description}, {"category", r.Category},
		{"repository", r.Repository}, {"default_branch", r.DefaultBranch},
		{"features.status", strconv.Itoa(f.Status)}, {"features.image", f.Image}, {"features.image_url", f.ImageURL},
		{"features.rating", f.Rating}, {"features.source", f.Source}, {"features.healthcheck", f.Healthcheck},
		{"features.backups", f.Backups}, {"features.email", f.Email}, {"features.tests", f.Tests}, {"features.sso", f.SSO},
	}
}

func (e *Entry) fields() []field {
	signer := ""
	if e.Signer != nil {
		signer = fmt.Sprintf("%s (%s %s)", e.Signer.Name, e.Signer.Kind, e.Signer.Fingerprint)
	}
	return []field{
		{"tag", e.Tag}, {"commit", e.Commit}, {"bundle", e.Bundle.SHA256}, {"signer", signer},
		{"date", e.Date.Format(time.RFC3339)}, {"tagger", e.Tagger}, {"message", e.Message},
		{"bundle.size", strconv.FormatInt(e.Bundle.Size, 10)},
		{"compose", e.Compose}, {"overlays", strings.Join(e.Overlays, " ")}, {"notes", e.Notes},
	}
}

const platformsField = "platforms of "

func (i *Image) fields() []field {
	var platforms []string
	for _, p := range i.Platforms {
		platforms = append(platforms, p.Platform+" "+p.Manifest+" "+p.Config)
	}
	return []field{
		{platformsField + i.Reference, strings.Join(platforms, ", ")},
		{"media type of " + i.Reference, i.MediaType},
		{"size of " + i.Reference, strconv.FormatInt(i.Size, 10)},
		{"services of " + i.Reference, strings.Join(i.Services, " ")},
	}
}

// summary is a verdict without the findings.
func (v Verdict) summary() string {
	return fmt.Sprint(v.RuleSet, " ", v.Gate, " ", v.Vetted, v.Errors, v.Warnings, v.Infos)
}

// imageChanges pairs the images of two entries: those of the same reference, then
// those of the same repository, in their order.
func imageChanges(before, after []Image) []ImageChange {
	changes := []ImageChange{}
	var old []Image
	left := slices.Clone(after)
	for _, image := range before {
		at := slices.IndexFunc(left, func(i Image) bool { return i.Reference == image.Reference })
		if at < 0 {
			old = append(old, image)
			continue
		}
		if left[at].Digest != image.Digest {
			changes = append(changes, ImageChange{pinOf(image), pinOf(left[at])})
		}
		left = slices.Delete(left, at, at+1)
	}
	for _, image := range old {
		repository := repositoryOf(image.Reference)
		at := slices.IndexFunc(left, func(i Image) bool { return repositoryOf(i.Reference) == repository })
		if at < 0 {
			changes = append(changes, ImageChange{Before: pinOf(image)})
			continue
		}
		changes = append(changes, ImageChange{pinOf(image), pinOf(left[at])})
		left = slices.Delete(left, at, at+1)
	}
	for _, image := range left {
		changes = append(changes, ImageChange{After: pinOf(image)})
	}
	return changes
}

// repositoryOf is a reference without its tag; entries hold only such as parse.
func repositoryOf(reference string) string {
	parsed, err := registry.ParseReference(reference)
	if err != nil {
		return reference
	}
	return parsed.Name()
}

func vanished(recipe, version string) Broken {
	return Broken{Recipe: recipe, Version: version, What: "version", Before: version}
}

// broken are those of the changes that must never be: they are what sign refuses.
func (c *RecipeChange) broken() []Broken {
	var all []Broken
	for _, version := range c.Removed {
		all = append(all, vanished(c.Name, version))
	}
	for _, e := range c.Entries {
		for _, f := range e.Fields {
			if f.Field == "tag" || f.Field == "commit" || strings.HasPrefix(f.Field, "bundle") || strings.HasPrefix(f.Field, platformsField) {
				all = append(all, Broken{c.Name, e.Version, f.Field, f.Before, f.After})
			}
		}
		for _, i := range e.Images {
			all = append(all, i.broken(c.Name, e.Version))
		}
	}
	return all
}

func (i ImageChange) broken(recipe, version string) Broken {
	switch {
	case i.Before == nil:
		return Broken{recipe, version, "image " + i.After.Reference, "", i.After.Digest}
	case i.After == nil:
		return Broken{recipe, version, "image " + i.Before.Reference, i.Before.Digest, ""}
	case i.Before.Reference != i.After.Reference:
		return Broken{recipe, version, "image " + i.Before.Reference, i.Before.Digest, i.After.Reference + " " + i.After.Digest}
	}
	return Broken{recipe, version, "image " + i.Before.Reference, i.Before.Digest, i.After.Digest}
}
