package catalogue

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/registry"
)

// imageUse is an image that a version names, and who uses it.
type imageUse struct {
	ref      registry.Reference
	services []string // sorted
}

// name is the reference that the entry has: with its tag, without its digest.
func (u imageUse) name() string {
	if u.ref.Tag == "" {
		return u.ref.Name()
	}
	return u.ref.Name() + ":" + u.ref.Tag
}

// imagesOf collects the images of the base and of the base under each overlay,
// with the sample's values. An image of the base has the base's services; one
// that only overlays name has theirs. So of a service with several images the
// base's is found first, as recipes.json wants it.
func imagesOf(ctx context.Context, r *recipe.Recipe, m *merged) ([]imageUse, error) {
	env := r.SampleEnvironment()
	for _, d := range r.Documents() {
		if err := unsetInImages(d, env); err != nil {
			return nil, err
		}
	}
	base := r.Base.Text.Path
	uses := map[string]*imageUse{}
	if err := collect(ctx, r, m, []string{base}, env, uses); err != nil {
		return nil, err
	}
	list := sortedUses(uses)
	overlays := map[string]*imageUse{}
	for _, d := range r.Overlays {
		if err := collect(ctx, r, m, []string{base, d.Text.Path}, env, overlays); err != nil {
			return nil, err
		}
	}
	for name, use := range overlays {
		if known := uses[name]; known != nil {
			if known.ref != use.ref {
				return nil, fmt.Errorf("image %q is named with two digests", name)
			}
			delete(overlays, name)
		}
	}
	return append(list, sortedUses(overlays)...), nil
}

// unsetInImages finds a variable in an image that nothing gives a value: what
// would run is not known.
func unsetInImages(d *recipe.Document, env map[string]string) error {
	for service, node := range d.Lookup("services").Pairs() {
		image := node.Get("image")
		for _, v := range recipe.Variables(image.Text()) {
			if _, set := env[v.Name]; set || v.Operator == ":-" || v.Operator == "-" || v.Operator == ":+" || v.Operator == "+" {
				continue
			}
			at := image.Range()
			return fmt.Errorf("%s:%d:%d: image %q of service %q has the variable %q, which neither %s nor %s gives a value",
				at.File, at.Start.Line, at.Start.Column, image.Text(), service, v.Name, recipe.SampleName, recipe.ScriptName)
		}
	}
	return nil
}

// collect adds the images of one merged model. A service without an image may
// get it from another overlay; that a version is deployable is for the rules.
func collect(ctx context.Context, r *recipe.Recipe, m *merged, files []string, env map[string]string, uses map[string]*imageUse) error {
	images, err := m.images(ctx, r, files, env)
	if err != nil {
		return err
	}
	for _, service := range slices.Sorted(maps.Keys(images)) {
		image := images[service]
		if image == "" {
			continue
		}
		ref, err := registry.ParseReference(image)
		if err != nil {
			return fmt.Errorf("service %q: %w", service, err)
		}
		use := imageUse{ref: ref}
		known := uses[use.name()]
		if known == nil {
			known = &use
			uses[use.name()] = known
		}
		if known.ref != ref {
			return fmt.Errorf("image %q is named with two digests", use.name())
		}
		if at, found := slices.BinarySearch(known.services, service); !found {
			known.services = slices.Insert(known.services, at, service)
		}
	}
	return nil
}

func sortedUses(uses map[string]*imageUse) []imageUse {
	var list []imageUse
	for _, name := range slices.Sorted(maps.Keys(uses)) {
		list = append(list, *uses[name])
	}
	return list
}

// complete asks for the images of a source's candidates, and writes those that
// have all of them. The others are refused, for this time.
func (b *builder) complete(ctx context.Context, s *builtSource, candidates []*candidate) ([]*candidate, error) {
	results, err := b.resolve(ctx, candidates)
	if err != nil {
		return nil, err
	}
	var complete []*candidate
	for _, c := range candidates {
		kind, err := b.completeOne(c, results)
		var own *outputError
		if errors.As(err, &own) {
			return nil, err
		}
		if err != nil {
			// An image without a tag is one whatever registries say.
			s.refuse(c.entry.Version, errors.Is(err, registry.ErrNoTag), &refusal{kind: kind, reason: cleanLine(err.Error(), maxLine)})
			continue
		}
		complete = append(complete, c)
	}
	return complete, nil
}

// completeOne writes a version whose images are known. The kind is of the refusal
// that an error is.
func (b *builder) completeOne(c *candidate, results map[string]registry.Result) (kind string, err error) {
	if c.entry.Images == nil {
		if c.entry.Images, err = b.imagesIn(c.images, results); err != nil {
			return imageRefusal(err), err
		}
	}
	return RefusedFiles, b.writeCandidate(c)
}

// imageRefusal tells an image that is wrong from a registry that could not be
// asked, which says nothing about the version.
func imageRefusal(err error) string {
	switch registryKind(err) {
	case registry.OverBudget, registry.RateLimited, registry.Unreachable, registry.Timeout, registry.Credentials:
		return Postponed
	}
	return RefusedImage
}

// registryKind is what stood between an image and its digests, 0 for an error of
// something else.
func registryKind(err error) registry.ErrorKind {
	var answer *registry.Error
	if errors.As(err, &answer) {
		return answer.Kind
	}
	return 0
}

// writeCandidate writes a version's bundle, then its entry. An entry that its own
// reader would not take, such as one with a control character in a file's name,
// is the error.
func (b *builder) writeCandidate(c *candidate) error {
	data, err := encode(c.entry, "")
	if err != nil {
		return err
	}
	if _, err := decodeEntry(c.entry.Recipe, c.entry.Version, data); err != nil {
		return fmt.Errorf("its entry %w", err)
	}
	if int64(len(data)) > maxEntry {
		return fmt.Errorf("its entry has %d bytes, expected at most %d", len(data), maxEntry)
	}
	if err := b.out.content(c.entry.Bundle.Path(), c.bundle); err != nil {
		return err
	}
	c.sha256, c.bundle = hashOf(data), nil
	return b.out.content(entryPath(c.sha256), data)
}

// imagesIn completes a version's images with what registries said. The first one
// that cannot be had is the error.
func (b *builder) imagesIn(uses []imageUse, results map[string]registry.Result) ([]Image, error) {
	images := []Image{}
	for _, use := range uses {
		result, ok := results[use.ref.String()]
		if !ok {
			return nil, fmt.Errorf("image %q was not resolved", use.ref.Familiar())
		}
		if result.Err != nil {
			return nil, result.Err
		}
		for _, want := range b.cfg.Platforms {
			if _, ok := result.Image.Child(want); !ok {
				return nil, fmt.Errorf("image %q has no %s; it has %s", use.ref.Familiar(), want, platformsOf(result.Image))
			}
		}
		if len(result.Image.Children) == 0 {
			return nil, fmt.Errorf("image %q has no platform that can be run", use.ref.Familiar())
		}
		images = append(images, newImage(result.Image, use.services))
	}
	return images, nil
}

func platformsOf(image registry.Image) string {
	var list []string
	for _, c := range image.Children {
		list = append(list, c.Platform.String())
	}
	return strings.Join(list, ", ")
}
