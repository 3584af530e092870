package registry

import (
	"errors"
	"fmt"
	"strings"

	"github.com/distribution/reference"

	"github.com/galley-coop/galley/internal/fault"
)

// maxReference bounds a reference: 255 bytes of path, 128 of tag, a digest and
// a host fit with room to spare.
const maxReference = 1024

// ErrNoTag means that a reference names neither a tag nor a digest. Nothing
// defaults to "latest" here: what was not written was not decided.
var ErrNoTag = errors.New("the image has neither a tag nor a digest")

// Reference is an image reference taken apart, normalised as docker does
// (github.com/distribution/reference): "nginx:1.2" has the domain "docker.io"
// and the path "library/nginx".
type Reference struct {
	Domain string // registry host, with its port if it has one
	Path   string // repository within the host
	Tag    string // "" when none was written
	Digest string // "sha256:…", "" when none was written
}

// ParseReference reads a reference as docker and compose files write it. A
// reference without a tag is read, with an empty Tag.
func ParseReference(s string) (Reference, error) {
	if len(s) > maxReference {
		return Reference{}, fault.New(fault.Usage, "image reference of %d bytes, expected at most %d", len(s), maxReference)
	}
	named, err := reference.ParseNormalizedNamed(s)
	if err != nil {
		return Reference{}, fault.Hint(
			fault.New(fault.Usage, "image reference %q: %w", s, err),
			"write it as [host[:port]/]path[:tag][@sha256:…], in lower case")
	}
	ref := Reference{Domain: reference.Domain(named), Path: reference.Path(named)}
	if tagged, ok := named.(reference.Tagged); ok {
		ref.Tag = tagged.Tag()
	}
	if digested, ok := named.(reference.Digested); ok {
		ref.Digest = digested.Digest().String()
	}
	return ref, nil
}

// Name is the repository with its host: "docker.io/library/nginx".
func (r Reference) Name() string { return r.Domain + "/" + r.Path }

// String is the whole normalised reference:
// "docker.io/library/nginx:1.2@sha256:…".
func (r Reference) String() string {
	s := r.tagged()
	if r.Digest != "" {
		s += "@" + r.Digest
	}
	return s
}

// Familiar is the short form that people write: "nginx:1.2@sha256:…". Where the
// short form would read as another image, it is String.
func (r Reference) Familiar() string {
	full := r.String()
	named, err := reference.ParseNormalizedNamed(full)
	if err != nil {
		return full
	}
	short := reference.FamiliarString(named)
	if again, err := reference.ParseNormalizedNamed(short); err != nil || again.String() != full {
		return full // "docker.io/docker.io/x", a quirk of the library
	}
	return short
}

// tagged is the reference without its digest.
func (r Reference) tagged() string {
	if r.Tag == "" {
		return r.Name()
	}
	return r.Name() + ":" + r.Tag
}

// check refuses what parses but cannot be resolved.
func (r Reference) check() error {
	if r.Tag == "" && r.Digest == "" {
		err := fault.Wrap(fault.Usage, fmt.Errorf("image reference %q: %w", r.Familiar(), ErrNoTag))
		return fault.Hint(err, `write the tag that is meant, as in "%s:1.2"`, r.Familiar())
	}
	if r.Digest != "" && !strings.HasPrefix(r.Digest, "sha256:") {
		return fault.New(fault.Usage, "image reference %q: expected a sha256 digest", r.Familiar())
	}
	return nil
}
