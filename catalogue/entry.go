// Package catalogue makes, signs, reads and verifies the catalogue: a directory
// of plain files that says, for every published version of every recipe, which
// files it has, which images they name and under which digests, and what the
// linter said. Any web server hosts it and any TUF client verifies it.
//
// It refuses to publish what is not exact (a version whose digests cannot be
// had is left out, with a reason) and to hand out what is not verified. It knows
// nothing of swarms.
package catalogue

import (
	"fmt"
	"time"

	"github.com/galley-coop/galley/registry"
)

// SchemaVersion is the version of the files under v1/; a reader refuses others.
const SchemaVersion = 1

// Recipe is v1/recipes/<name>.json, the head of one recipe: what a client reads
// to find the entry of a version. It stays small however many versions there are.
type Recipe struct {
	Schema        int      `json:"schema"`
	Name          string   `json:"name"`
	Description   string   `json:"description"`
	Category      string   `json:"category"`
	Repository    string   `json:"repository"` // where the publisher read it, "" for a local path
	DefaultBranch string   `json:"default_branch"`
	Features      Features `json:"features"`
	// Versions are ascending by recipe version; the last one is the newest.
	Versions []Release `json:"versions"`
}

// Release is one published version in a Recipe.
type Release struct {
	Version string `json:"version"` // "1.2.0+5.1.0", the tag's name
	// Entry names v1/entries/<sha256>.json; 64 hex digits.
	Entry string `json:"entry"`
	// Withdrawn says that the version is not for new deploys; nil when it is.
	// What is published stays readable: somebody may run it.
	Withdrawn *Withdrawal `json:"withdrawn,omitempty"`
}

// Withdrawal is why a published version is not for new deploys.
type Withdrawal struct {
	Kind   string `json:"kind"` // Removed or Yanked
	Reason string `json:"reason"`
}

// The kinds of a Withdrawal.
const (
	Removed = "removed" // the source no longer has the tag, or the publisher the source
	Yanked  = "yanked"  // the publisher said so
)

// String is for people: "yanked: loses mails".
func (w Withdrawal) String() string { return w.Kind + ": " + w.Reason }

// Features are what the README's metadata block claims, as text ("" unknown).
type Features struct {
	Status      int    `json:"status"` // 0 to 5, 0 also when unknown
	Image       string `json:"image"`
	ImageURL    string `json:"image_url"`
	Rating      string `json:"rating"`
	Source      string `json:"source"`
	Healthcheck string `json:"healthcheck"`
	Backups     string `json:"backups"`
	Email       string `json:"email"`
	Tests       string `json:"tests"`
	SSO         string `json:"sso"`
}

// Entry is v1/entries/<sha256>.json: what the catalogue says of one version of
// one recipe. It never changes; only --relint makes another in its place.
type Entry struct {
	Schema  int       `json:"schema"`
	Recipe  string    `json:"recipe"`  // the recipe's name
	Version string    `json:"version"` // "1.2.0+5.1.0", the tag's name
	Tag     string    `json:"tag"`     // hash of the annotated tag object
	Commit  string    `json:"commit"`  // hash of the commit it names
	Date    time.Time `json:"date"`    // the tagger's, UTC, whole seconds
	Tagger  string    `json:"tagger"`  // name without the address
	Message string    `json:"message"`
	// Signer is who signed the tag, nil when the source did not ask for it.
	Signer *Signer `json:"signer,omitempty"`
	Bundle Bundle  `json:"bundle"`
	// Compose is the base compose file in the bundle, Overlays the others.
	Compose  string   `json:"compose"`
	Overlays []string `json:"overlays"`
	// Images are every image that the base names, by reference, then those that
	// only overlays name, by reference. No reference is there twice.
	Images []Image `json:"images"`
	Lint   Verdict `json:"lint"`
	// Notes are the release notes of this version, "" without any.
	Notes string `json:"notes"`
}

// Signer is whose signature of a tag was verified.
type Signer struct {
	Kind        string `json:"kind"`        // "ssh" or "openpgp"
	Name        string `json:"name"`        // the principal, or the OpenPGP user ID
	Fingerprint string `json:"fingerprint"` // "SHA256:…", or 40 hex digits
}

// Bundle names v1/bundles/<sha256>.tar, the recipe's files at the commit.
type Bundle struct {
	SHA256 string `json:"sha256"` // 64 hex digits, of the tar
	Size   int64  `json:"size"`   // bytes
}

// Path is where the bundle stands in the catalogue.
func (b Bundle) Path() string { return "v1/bundles/" + b.SHA256 + ".tar" }

// Image is an image reference with what it named when the entry was built.
type Image struct {
	// Reference is normalised: "docker.io/library/nginx:1.27".
	Reference string `json:"reference"`
	// Digest is of the index, or of the manifest of an image without one.
	Digest    string     `json:"digest"`
	MediaType string     `json:"media_type"`
	Size      int64      `json:"size"` // bytes of what Digest names
	Platforms []Platform `json:"platforms"`
	// Services are the compose services that use it in the base, or under an
	// overlay when the base does not name it, sorted.
	Services []string `json:"services"`
}

// Platform is one child of an index. Manifest and Config are digests; Config is
// what an engine calls the image ID.
type Platform struct {
	Platform string `json:"platform"` // "linux/arm64/v8"
	Manifest string `json:"manifest"`
	Config   string `json:"config"`
}

// Verdict is what the linter said when the entry was built. It belongs to its
// rule set: a later one never un-vets what is published.
type Verdict struct {
	RuleSet      string   `json:"rule_set"`
	Gate         string   `json:"gate"`   // the level that refuses, or "off"
	Vetted       bool     `json:"vetted"` // there was a gate, and it was passed
	Errors       int      `json:"errors"`
	Warnings     int      `json:"warnings"`
	Infos        int      `json:"infos"`
	Fingerprints []string `json:"fingerprints"` // sorted
}

// Newest is the newest version that is not withdrawn, nil when there is none.
func (r *Recipe) Newest() *Release {
	for i := len(r.Versions) - 1; i >= 0; i-- {
		if r.Versions[i].Withdrawn == nil {
			return &r.Versions[i]
		}
	}
	return nil
}

// Release finds a version by its name, nil when it is not published.
func (r *Recipe) Release(version string) *Release {
	for i := range r.Versions {
		if r.Versions[i].Version == version {
			return &r.Versions[i]
		}
	}
	return nil
}

// SHA256 names an entry by its content: the hash of its file, 64 hex digits.
func (e *Entry) SHA256() (string, error) {
	data, err := encode(e, "")
	if err != nil {
		return "", fmt.Errorf("hashing the entry of %s: %w", e.Version, err)
	}
	return hashOf(data), nil
}

// Image finds an image by its normalised reference, nil when the entry does not
// name it.
func (e *Entry) Image(reference string) *Image {
	for i := range e.Images {
		if e.Images[i].Reference == reference {
			return &e.Images[i]
		}
	}
	return nil
}

func newImage(i registry.Image, services []string) Image {
	image := Image{Reference: i.Reference, Digest: i.Digest, MediaType: i.MediaType, Size: i.Size, Services: services}
	for _, c := range i.Children {
		image.Platforms = append(image.Platforms, Platform{c.Platform.String(), c.Manifest, c.Config})
	}
	return image
}

// Index is v1/index.json: what a search or a list needs of all recipes.
type Index struct {
	Schema  int         `json:"schema"`
	Name    string      `json:"name"` // the catalogue's
	Recipes []IndexItem `json:"recipes"`
}

// IndexItem is one recipe in the Index, by name.
type IndexItem struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Category    string `json:"category"`
	Newest      string `json:"newest"`   // version; "" when all are withdrawn
	Versions    int    `json:"versions"` // how many are published
}

// item is a recipe's line in the index.
func (r *Recipe) item() IndexItem {
	item := IndexItem{Name: r.Name, Description: r.Description, Category: r.Category, Versions: len(r.Versions)}
	if newest := r.Newest(); newest != nil {
		item.Newest = newest.Version
	}
	return item
}
