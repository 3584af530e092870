package registry

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"
)

// maxChildren bounds an index; the largest official images have some thirty.
const maxChildren = 256

// documents gives the bytes behind a digest, verified: from the registry, or
// from the cache. Kind is manifests or blobs.
type documents func(ctx context.Context, kind, digest string) ([]byte, error)

// describe reads the children out of an index or a manifest. It is a function
// of verified bytes alone, so what it says of a digest never changes.
func describe(ctx context.Context, media string, raw []byte, get documents) ([]Child, error) {
	if err := checkShape(media, raw); err != nil {
		return nil, err
	}
	if types.MediaType(media).IsImage() {
		child, err := describeImage(ctx, raw, Platform{}, get)
		if err != nil {
			return nil, err
		}
		if child.Config == "" {
			return nil, badAnswer("has an artifact there and no image")
		}
		return []Child{child}, nil
	}
	return describeIndex(ctx, raw, get)
}

func describeIndex(ctx context.Context, raw []byte, get documents) ([]Child, error) {
	index, err := v1.ParseIndexManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, badAnswer("sent an index that cannot be read")
	}
	if len(index.Manifests) > maxChildren {
		return nil, badAnswer("sent an index of %d manifests, expected at most %d", len(index.Manifests), maxChildren)
	}
	children := make([]Child, len(index.Manifests))
	group, ctx := errgroup.WithContext(ctx)
	for i, desc := range index.Manifests {
		if !runnable(desc) {
			continue
		}
		group.Go(func() (err error) {
			children[i], err = describeChild(ctx, desc, get)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	children = slices.DeleteFunc(children, func(c Child) bool { return c.Config == "" })
	if len(children) == 0 {
		return nil, badAnswer("sent an index without an image in it")
	}
	slices.SortFunc(children, func(a, b Child) int {
		return cmp.Or(comparePlatforms(a.Platform, b.Platform), strings.Compare(a.Manifest, b.Manifest))
	})
	return children, nil
}

// runnable leaves out what an index holds beside images: attestations, which
// have the platform unknown/unknown, and media types that are not ours (to be
// ignored, says the OCI image index specification). An index within an index is
// kept, to be refused.
func runnable(desc v1.Descriptor) bool {
	if p := desc.Platform; p != nil && p.OS == "unknown" && p.Architecture == "unknown" {
		return false
	}
	return desc.MediaType.IsImage() || desc.MediaType.IsIndex() || desc.MediaType.IsSchema1()
}

// describeChild follows one entry of an index. A Child without Config is an
// artifact, which cannot be run.
func describeChild(ctx context.Context, desc v1.Descriptor, get documents) (Child, error) {
	if !desc.MediaType.IsImage() {
		return Child{}, badAnswer("sent an index with a %q in it, expected image manifests", shorten(string(desc.MediaType)))
	}
	if desc.Digest.Algorithm != "sha256" {
		return Child{}, badAnswer("sent an index with a %s digest, expected sha256", desc.Digest.Algorithm)
	}
	raw, err := get(ctx, manifests, desc.Digest.String())
	if err != nil {
		return Child{}, err
	}
	if int64(len(raw)) != desc.Size {
		return Child{}, badDigest("sent %d bytes for %s, whose index says %d", len(raw), desc.Digest, desc.Size)
	}
	if err := checkShape(string(desc.MediaType), raw); err != nil {
		return Child{}, err
	}
	var platform Platform
	if p := desc.Platform; p != nil {
		platform = Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant}
	}
	return describeImage(ctx, raw, platform, get)
}

// describeImage reads a manifest. When the platform is not known from an index,
// it comes out of the image's config.
func describeImage(ctx context.Context, raw []byte, platform Platform, get documents) (Child, error) {
	manifest, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return Child{}, badAnswer("sent a manifest that cannot be read")
	}
	if !manifest.Config.MediaType.IsConfig() {
		return Child{}, nil
	}
	if manifest.Config.Digest.Algorithm != "sha256" {
		return Child{}, badAnswer("sent a manifest whose config has no sha256 digest")
	}
	child := Child{
		Platform: platform,
		Manifest: digestOf(raw),
		Config:   manifest.Config.Digest.String(),
		Size:     int64(len(raw)),
	}
	if platform.OS == "" || platform.Architecture == "" {
		child.Platform, err = configPlatform(ctx, child.Config, get)
	}
	return child, err
}

// configPlatform asks an image's config what it runs on.
func configPlatform(ctx context.Context, digest string, get documents) (Platform, error) {
	raw, err := get(ctx, blobs, digest)
	if err != nil {
		return Platform{}, err
	}
	var platform Platform
	if err := json.Unmarshal(raw, &platform); err != nil {
		return Platform{}, badAnswer("sent an image config that cannot be read")
	}
	if platform.OS == "" || platform.Architecture == "" || platform.OS == "unknown" {
		return Platform{}, badAnswer("has an image there whose config names no platform")
	}
	return platform, nil
}

// checkShape refuses bytes that say something else than their media type, or
// that could be read as an index by one client and as an image by another.
func checkShape(media string, raw []byte) error {
	var shape struct {
		MediaType string          `json:"mediaType"`
		Config    json.RawMessage `json:"config"`
		Layers    json.RawMessage `json:"layers"`
		Manifests json.RawMessage `json:"manifests"`
	}
	if err := json.Unmarshal(raw, &shape); err != nil {
		return badAnswer("sent a manifest that is not JSON")
	}
	if shape.MediaType != "" && shape.MediaType != media {
		return badAnswer("sent %q as %q", shorten(shape.MediaType), media)
	}
	isIndex, isImage := shape.Manifests != nil, shape.Config != nil || shape.Layers != nil
	switch want := types.MediaType(media); {
	case isIndex && isImage:
		return badAnswer("sent a manifest that is an index and an image at once")
	case want.IsIndex() && !isIndex, want.IsImage() && !isImage:
		return badAnswer("sent something else as %q", media)
	}
	return nil
}
