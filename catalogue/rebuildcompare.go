package catalogue

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/galley-coop/galley/recipe"
)

// FieldDifference is one field of an entry that is not what the source gives. A
// text that is empty is not there.
type FieldDifference struct {
	Field     string `json:"field"`
	Published string `json:"published"`
	Rebuilt   string `json:"rebuilt"`
}

// comparison holds a published entry against the one that was made again.
type comparison struct {
	published, rebuilt *Entry
	uses               []imageUse
	out                *Rebuilt
}

func (c *comparison) differ(field, published, rebuilt string) {
	c.out.Differences = append(c.out.Differences, FieldDifference{field, cleanLine(published, maxLine), cleanLine(rebuilt, maxLine)})
}

func (c *comparison) text(field, published, rebuilt string) {
	if published != rebuilt {
		c.differ(field, published, rebuilt)
	}
}

// fields compares what comes from git alone.
func (c *comparison) fields() {
	a, b := c.published, c.rebuilt
	c.text("tag", a.Tag, b.Tag)
	c.text("commit", a.Commit, b.Commit)
	c.text("date", dateText(a.Date), dateText(b.Date))
	c.text("tagger", a.Tagger, b.Tagger)
	c.text("message", a.Message, b.Message)
	c.text("compose", a.Compose, b.Compose)
	c.text("overlays", strings.Join(a.Overlays, " "), strings.Join(b.Overlays, " "))
	c.text("notes", a.Notes, b.Notes)
	c.images()
}

// images compares references, and who uses them. A digest is the registry's, but
// for one that the recipe itself names.
func (c *comparison) images() {
	uses := map[string]imageUse{}
	for _, use := range c.uses {
		uses[use.name()] = use
	}
	for _, image := range c.published.Images {
		use, ok := uses[image.Reference]
		delete(uses, image.Reference)
		switch {
		case !ok:
			c.differ("images", image.Reference, "")
			continue
		case use.ref.Digest != "":
			c.text("digest of "+image.Reference, image.Digest, use.ref.Digest)
		}
		c.text("services of "+image.Reference, strings.Join(image.Services, " "), strings.Join(use.services, " "))
	}
	for _, name := range slices.Sorted(maps.Keys(uses)) {
		c.differ("images", "", name)
	}
}

// bundle compares the bundles' bytes, and names the files that differ.
func (c *comparison) bundle(ctx context.Context, from *Client, rebuilt []byte) {
	a, b := c.published.Bundle, c.rebuilt.Bundle
	if a == b {
		return
	}
	c.differ("bundle", fmt.Sprintf("%s, %d bytes", a.SHA256, a.Size), fmt.Sprintf("%s, %d bytes", b.SHA256, b.Size))
	data, err := from.bundle(ctx, c.published)
	if err != nil {
		c.out.Notes = append(c.out.Notes, cleanLine("bundle: "+err.Error(), maxLine))
		return
	}
	for _, name := range filesThatDiffer(data, rebuilt) {
		c.out.Notes = append(c.out.Notes, cleanLine("bundle: "+name, maxLine))
	}
}

// maxFilesNamed bounds the files that are named of one bundle.
const maxFilesNamed = 20

// filesThatDiffer says of each file of two bundles that is not in both alike what
// became of it.
func filesThatDiffer(published, rebuilt []byte) []string {
	a, errA := filesOf(published)
	b, errB := filesOf(rebuilt)
	if errA != nil || errB != nil {
		return nil
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if other, ok := b[name]; !ok {
			list = append(list, name+" is published and not in the source")
		} else if !bytes.Equal(a[name], other) {
			list = append(list, name+" differs")
		}
		delete(b, name)
	}
	for _, name := range slices.Sorted(maps.Keys(b)) {
		list = append(list, name+" is in the source and not published")
	}
	if more := len(list) - maxFilesNamed; more > 0 {
		list = append(list[:maxFilesNamed], fmt.Sprintf("and %d more files", more))
	}
	return list
}

func filesOf(bundle []byte) (map[string][]byte, error) {
	files, err := recipe.ReadBundle(bundle)
	if err != nil {
		return nil, err
	}
	all := map[string][]byte{}
	err = fs.WalkDir(files, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		all[name], err = fs.ReadFile(files, name)
		return err
	})
	return all, err
}

// lint compares what the same rules found, and that the gate was passed.
func (c *comparison) lint() {
	a, b := c.published.Lint, c.rebuilt.Lint
	counts := func(v Verdict) string {
		return fmt.Sprintf("%d errors, %d warnings, %d infos", v.Errors, v.Warnings, v.Infos)
	}
	c.text("lint", counts(a), counts(b))
	c.text("lint fingerprints", strings.Join(a.Fingerprints, " "), strings.Join(b.Fingerprints, " "))
	if !passes(a) {
		c.differ("lint gate", fmt.Sprintf("%s, vetted: %v", a.Gate, a.Vetted), counts(b))
	}
}

// whole sees that nothing was left out: with the digests as published, an entry of
// which no field differs is the very file that the catalogue names.
func (c *comparison) whole(release Release) {
	if len(c.out.Differences) > 0 {
		return
	}
	c.rebuilt.Images, c.rebuilt.Signer, c.rebuilt.Lint = c.published.Images, c.published.Signer, c.published.Lint
	sum, err := c.rebuilt.SHA256()
	if err != nil {
		sum = err.Error()
	}
	c.text("entry", release.Entry, sum)
}
