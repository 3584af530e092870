package rules

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe"
	"github.com/galley-coop/galley/recipe/source"
	"github.com/galley-coop/galley/registry"
)

// facts is a World as an example states it: what git, the catalogue and the
// network would answer. One fact stands on a line:
//
//	annotated: 1.0.0+1.27, 1.1.0+1.28      tags, in the order they were made
//	lightweight: v1.0
//	published: 1.0.0+1.27                  versions in the catalogue
//	pin: nginx:1.27 sha256:…               digests in the catalogue; "pin:" for none
//	answers:                               the network is there
//	silent: https://example.org            an address where nothing answers
//	image: redis:7 sha256:… linux/amd64    digest, "index", platforms, each if stated
//	no-image: redis:7
//	tags: redis 7.0 7.2                    a repository's tags
//	registries: docker.io                  settings of the project
//	platforms: linux/arm64
//	max-domain: 60
//
// Once one image fact is stated, or "online:", registries answer: an image of
// which nothing is stated is there, for two platforms, and is its only tag.
type facts struct {
	versions  []source.Version
	trees     map[string]fstest.MapFS // by commit
	published []string
	silent    []string
	images    map[string]lint.ImageFacts
	missing   []string
	tags      map[string][]string
	pins      map[string]string
	settings  lint.Settings

	history, catalogue, upstream, online, pinned bool

	unreachable error // what every question ends with, when set
}

// normal is a reference as registries know it, itself when it is none.
func normal(reference string) string {
	ref, err := registry.ParseReference(reference)
	if err != nil {
		return reference
	}
	return ref.String()
}

// digestOf is the digest of an image of which no fact states one.
func digestOf(reference string) string {
	if _, pinned, ok := strings.Cut(reference, "@"); ok {
		return pinned // what is asked for by its digest has that digest
	}
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(normal(reference))))
}

// parseFacts reads lines of "what: a, b".
func parseFacts(t testing.TB, text string) facts {
	t.Helper()
	f := facts{images: map[string]lint.ImageFacts{}, tags: map[string][]string{}, pins: map[string]string{}}
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		what, list, _ := strings.Cut(line, ":")
		var items []string
		for _, item := range strings.Split(list, ",") {
			if item = strings.TrimSpace(item); item != "" {
				items = append(items, item)
			}
		}
		if !f.state(what, items) && !f.stateOfImages(t, what, items) && !f.set(t, what, items) {
			t.Fatalf("no fact is called %q", what)
		}
	}
	slices.SortStableFunc(f.versions, compareTags)
	return f
}

// compareTags is the order of source.Repository.Versions.
func compareTags(a, b source.Version) int {
	switch {
	case a.Parsed.App == "" && b.Parsed.App == "":
		return strings.Compare(a.Name, b.Name)
	case a.Parsed.App == "":
		return 1
	case b.Parsed.App == "":
		return -1
	}
	return cmp.Or(a.Parsed.Compare(b.Parsed), strings.Compare(a.Name, b.Name))
}

func (f *facts) state(what string, items []string) bool {
	switch what {
	case "annotated", "lightweight":
		f.history = true
		for _, name := range items {
			day := time.Date(2024, 1, 1+len(f.versions), 12, 0, 0, 0, time.UTC)
			v := source.Version{Name: name, Annotated: what == "annotated", Commit: name, Date: day}
			v.Parsed, _ = recipe.ParseVersion(name)
			f.versions = append(f.versions, v)
		}
	case "published":
		f.catalogue, f.published = true, items
	case "answers":
		f.upstream = true
	case "silent":
		f.upstream, f.silent = true, items
	default:
		return false
	}
	return true
}

func (f *facts) stateOfImages(t testing.TB, what string, items []string) bool {
	t.Helper()
	switch what {
	case "online", "image", "no-image", "tags":
		f.online = true
	case "pin":
		f.pinned = true
	default:
		return false
	}
	for _, item := range items {
		words := strings.Fields(item)
		switch name := normal(words[0]); what {
		case "image":
			f.images[name] = imageFacts(words)
		case "no-image":
			f.missing = append(f.missing, name)
		case "tags":
			f.tags[name] = words[1:]
		case "pin":
			if len(words) != 2 {
				t.Fatalf("pin %q: expected a reference and a digest", item)
			}
			f.pins[name] = words[1]
		}
	}
	return true
}

// imageFacts reads "reference sha256:… index linux/amd64". An image that states
// several platforms is an index.
func imageFacts(words []string) lint.ImageFacts {
	facts := lint.ImageFacts{Digest: digestOf(words[0])}
	for _, word := range words[1:] {
		switch {
		case strings.HasPrefix(word, "sha256:"):
			facts.Digest = word
		case word == "index":
			facts.Index = true
		default:
			facts.Platforms = append(facts.Platforms, word)
		}
	}
	facts.Index = facts.Index || len(facts.Platforms) > 1
	return facts
}

func (f *facts) set(t testing.TB, what string, items []string) bool {
	t.Helper()
	switch what {
	case "registries":
		f.settings.Registries = items
	case "platforms":
		f.settings.Platforms = items
	case "max-domain":
		if _, err := fmt.Sscan(strings.Join(items, ""), &f.settings.MaxDomain); err != nil {
			t.Fatalf("max-domain: %v", err)
		}
	default:
		return false
	}
	return true
}
