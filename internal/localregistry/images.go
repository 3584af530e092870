package localregistry

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// BinaryPath is where BinaryImage puts the binary; it is the entrypoint.
const BinaryPath = "/app"

// epoch is the time of everything in an image, so that the same contents have
// the same digest on every machine (for one release of Go, whose gzip it is).
var epoch = time.Unix(0, 0).UTC()

// BinaryImage is an image of one layer: a static binary at /app, which is its
// entrypoint, and nothing else. Platform is "os/architecture[/variant]". cfg,
// when not nil, changes the image's config (environment, user, health check).
// The same arguments give the same digest.
func BinaryImage(binary []byte, platform string, cfg func(*v1.Config)) (v1.Image, error) {
	config := v1.Config{Entrypoint: []string{BinaryPath}, WorkingDir: "/"}
	if cfg != nil {
		cfg(&config)
	}
	return oneLayer(BinaryPath[1:], 0o755, binary, platform, config)
}

// TinyImage is an image of a few hundred bytes whose only file holds seed:
// another seed, another digest. No platform means linux/amd64; with one it is a
// v1.Image, with several a v1.ImageIndex.
func TinyImage(seed string, platforms ...string) (Manifest, error) {
	if len(platforms) == 0 {
		platforms = []string{"linux/amd64"}
	}
	images := map[string]v1.Image{}
	for _, platform := range platforms {
		img, err := oneLayer("seed", 0o644, []byte(seed), platform, v1.Config{})
		if err != nil {
			return nil, err
		}
		images[platform] = img
	}
	if len(platforms) == 1 {
		return images[platforms[0]], nil
	}
	return Index(images)
}

// Index is an OCI image index of one image for each platform
// ("os/architecture[/variant]"), in the order of the platforms' names.
func Index(images map[string]v1.Image) (v1.ImageIndex, error) {
	var adds []mutate.IndexAddendum
	for _, platform := range slices.Sorted(maps.Keys(images)) {
		p, err := v1.ParsePlatform(platform)
		if err != nil {
			return nil, fmt.Errorf("making an index: %w", err)
		}
		adds = append(adds, mutate.IndexAddendum{Add: images[platform], Descriptor: v1.Descriptor{Platform: p}})
	}
	return mutate.AppendManifests(empty.Index, adds...), nil
}

// Attested is idx with an attestation manifest added, as build tools do: a
// child for the platform unknown/unknown that cannot be run.
func Attested(idx v1.ImageIndex, seed string) (v1.ImageIndex, error) {
	img, err := oneLayer("attestation", 0o644, []byte(seed), "unknown/unknown", v1.Config{})
	if err != nil {
		return nil, err
	}
	return mutate.AppendManifests(idx, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{
		Platform:    &v1.Platform{OS: "unknown", Architecture: "unknown"},
		Annotations: map[string]string{"vnd.docker.reference.type": "attestation-manifest"},
	}}), nil
}

func oneLayer(path string, mode int64, content []byte, platform string, config v1.Config) (v1.Image, error) {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: path, Mode: mode, Size: int64(len(content))}
	return fromLayer([]*tar.Header{header}, content, platform, config)
}

// fromLayer is an image of one layer, in which content is what the first file holds.
func fromLayer(files []*tar.Header, content []byte, platform string, config v1.Config) (v1.Image, error) {
	p, err := v1.ParsePlatform(platform)
	if err != nil || p.OS == "" || p.Architecture == "" {
		return nil, fmt.Errorf("making an image: platform %q, expected os/architecture", platform)
	}
	layer, err := layerOf(files, content)
	if err != nil {
		return nil, fmt.Errorf("making an image: %w", err)
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.ConfigFile(base, &v1.ConfigFile{
		OS: p.OS, Architecture: p.Architecture, Variant: p.Variant,
		Created: v1.Time{Time: epoch},
		Config:  config,
		RootFS:  v1.RootFS{Type: "layers"},
	})
	if err != nil {
		return nil, fmt.Errorf("making an image: %w", err)
	}
	img, err = mutate.AppendLayers(img, layer)
	if err != nil {
		return nil, fmt.Errorf("making an image: %w", err)
	}
	return img, nil
}

func layerOf(files []*tar.Header, content []byte) (v1.Layer, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for i, header := range files {
		header.ModTime, header.Format = epoch, tar.FormatUSTAR
		if err := w.WriteHeader(header); err != nil {
			return nil, err
		}
		if i > 0 {
			continue
		}
		if _, err := w.Write(content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buf.Bytes())), nil }
	return tarball.LayerFromOpener(open,
		tarball.WithMediaType(types.OCILayer),
		tarball.WithCompressionLevel(gzip.BestSpeed),
		tarball.WithCompressedCaching)
}
