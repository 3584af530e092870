package registry

import "github.com/google/go-containerregistry/pkg/v1/types"

// Image is what a reference names, as the registry answered and the bytes
// confirmed.
type Image struct {
	// Reference is the normalised reference with its tag and without a digest:
	// "docker.io/library/nginx:1.2". Rewrites do not show in it.
	Reference string `json:"reference"`
	// Digest is what the tag names: an index, or the manifest of a plain image.
	Digest string `json:"digest"`
	// MediaType is the media type of Digest's bytes.
	MediaType string `json:"mediaType"`
	// Size is the number of bytes of the index or manifest itself.
	Size int64 `json:"size"`
	// Children are the images that can be run, sorted by platform. A plain
	// image has one, whose Manifest is Digest.
	Children []Child `json:"children"`
}

// Child is the image of one platform.
type Child struct {
	Platform Platform `json:"platform"`
	// Manifest is the digest of the platform's manifest.
	Manifest string `json:"manifest"`
	// Config is the digest of its config, which docker shows as the image ID.
	Config string `json:"config"`
	// Size is the number of bytes of the manifest.
	Size int64 `json:"size"`
}

// IsIndex tells whether the reference names an index of several platforms.
func (i Image) IsIndex() bool { return types.MediaType(i.MediaType).IsIndex() }

// Child finds the image for a platform: the one with the same variant, else
// the first that Matches.
func (i Image) Child(want Platform) (Child, bool) {
	for _, child := range i.Children {
		if child.Platform.normal() == want.normal() {
			return child, true
		}
	}
	for _, child := range i.Children {
		if child.Platform.Matches(want) {
			return child, true
		}
	}
	return Child{}, false
}
