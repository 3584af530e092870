package catalogue

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/registry"
)

// A catalogue in a registry is one repository. The tag names an index of parts.
// Each part is a manifest whose layers are files, with their names as titles:
//
//	catalogue       metadata of the four roles, index.json, recipes.json
//	metadata/K      metadata of delegated roles
//	recipes/K       v1/recipes/<name>.json
//
// Which of several parts has a file follows from its name alone, so a reader
// reads no other. Files that have their hash in the name are in none: they are
// blobs that are asked for by that hash. A tag recipe-<name> names a manifest of
// those of one recipe, and keeps a registry from collecting them as garbage.
const (
	ociCatalogueType = "application/vnd.galley.catalogue.v1"
	ociPartType      = "application/vnd.galley.part.v1"
	ociRecipeType    = "application/vnd.galley.recipe.v1"

	corePart     = "catalogue"
	metadataPart = "metadata"
	recipesPart  = "recipes"
)

var (
	contentName   = regexp.MustCompile(`^v1/[a-z]+/([0-9a-f]{64})\.(?:json|tar)$`)
	delegatedName = regexp.MustCompile(`^` + trust.Folder + `/[1-9][0-9]*\.(.+)\.json$`)
)

// contentHash is the hash in the name of a file that never changes: an entry, a
// bundle, or a target's copy.
func contentHash(name string) (sha256 string, ok bool) {
	if parts := contentName.FindStringSubmatch(name); parts != nil && !strings.HasPrefix(name, recipesDir+"/") {
		return parts[1], true
	}
	_, sha256, ok = targetOf(name)
	return sha256, ok
}

// partOf tells the kind of part that has a file, and which of them, where there
// are count(kind).
func partOf(name string, count func(kind string) int) (title string, ok bool) {
	kind, key := corePart, name
	if of, isRecipe := recipeOf(name); isRecipe {
		kind, key = recipesPart, of
	} else if parts := delegatedName.FindStringSubmatch(name); parts != nil && !topLevel(parts[1]) {
		kind, key = metadataPart, parts[1]
	}
	if kind == corePart {
		return corePart, true
	}
	n := count(kind)
	if n == 0 {
		return "", false
	}
	sum := sha256.Sum256([]byte(key))
	return kind + "/" + strconv.Itoa(int(binary.BigEndian.Uint32(sum[:4])%uint32(n))), true
}

func topLevel(role string) bool {
	for _, r := range trust.Roles {
		if role == string(r) {
			return true
		}
	}
	return false
}

// isOCI tells an address in a registry.
func isOCI(location string) bool {
	return strings.HasPrefix(location, "oci://") || strings.HasPrefix(location, "oci+http://")
}

// openArtifacts reads an address: oci://host[:port]/repository[:tag], or
// oci+http:// for a host that is spoken to without TLS.
func openArtifacts(location string, timeout time.Duration) (*registry.Artifacts, func(), error) {
	scheme, reference, _ := strings.Cut(location, "://")
	host, _, ok := strings.Cut(reference, "/")
	if !ok || host != "localhost" && !strings.ContainsAny(host, ".:") || strings.ContainsAny(reference, "@?#") {
		err := fault.New(fault.Usage, "catalogue address %q: expected oci://host/repository[:tag]", scheme+"://"+reference[strings.LastIndex(reference, "@")+1:])
		return nil, nil, fault.Hint(err, "log in with docker login; an address holds no credentials and no digest")
	}
	options := registry.Options{Timeout: timeout}
	if scheme == "oci+http" {
		options.Insecure = []string{host}
	}
	resolver := registry.New(options)
	artifacts, err := resolver.Artifacts(reference)
	if err != nil {
		return nil, nil, err
	}
	return artifacts, resolver.Close, nil
}

// ociFetcher reads a catalogue from a registry. One look at the tag serves all
// that one refresh reads, so that it is of one moment; the next refresh, which
// begins with a root or the timestamp again, looks anew.
type ociFetcher struct {
	artifacts *registry.Artifacts
	close     func()

	mu    sync.Mutex
	top   *registry.ArtifactManifest // nil before the first look
	used  bool                       // the timestamp of top was read
	parts map[string]ociPart         // by digest; those of top, as far as read
}

// ociPart is the files of a part by their names.
type ociPart map[string]registry.ArtifactItem

func openOCI(location string, timeout time.Duration) (fetcher, error) {
	artifacts, done, err := openArtifacts(location, timeout)
	if err != nil {
		return nil, err
	}
	return &ociFetcher{artifacts: artifacts, close: done}, nil
}

// Location is the address with its tag.
func (f *ociFetcher) Location() string { return "oci://" + f.artifacts.String() }

// Close ends idle connections.
func (f *ociFetcher) Close() error {
	f.close()
	return nil
}

// Fetch is trust.Fetcher.
func (f *ociFetcher) Fetch(ctx context.Context, name string, limit int64) ([]byte, error) {
	if !fs.ValidPath(name) {
		return nil, fmt.Errorf("%q is no path in a catalogue", name)
	}
	if hash, ok := contentHash(name); ok {
		return f.blob(ctx, "sha256:"+hash, limit)
	}
	item, err := f.find(ctx, name)
	if err != nil {
		return nil, err
	}
	if item.Size > limit {
		return nil, disk.ErrTooLarge
	}
	return f.blob(ctx, item.Digest, limit)
}

func (f *ociFetcher) blob(ctx context.Context, digest string, limit int64) ([]byte, error) {
	data, err := f.artifacts.Blob(ctx, digest, limit)
	switch {
	case errors.Is(err, registry.ErrTooLarge):
		return nil, disk.ErrTooLarge
	case registry.IsNotFound(err):
		return nil, fs.ErrNotExist
	}
	return data, err
}

// find looks a name up in the part that has it.
func (f *ociFetcher) find(ctx context.Context, name string) (registry.ArtifactItem, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	role, _, isMetadata := trust.ParseName(name)
	begins := isMetadata && (role == trust.Root || role == trust.Timestamp)
	if f.top == nil || begins && f.used {
		if err := f.look(ctx); err != nil {
			return registry.ArtifactItem{}, err
		}
	}
	f.used = f.used || role == trust.Timestamp
	title, ok := partOf(name, func(kind string) int { return countParts(f.top, kind) })
	if !ok {
		return registry.ArtifactItem{}, fs.ErrNotExist
	}
	part, err := f.part(ctx, title)
	if err != nil {
		return registry.ArtifactItem{}, err
	}
	item, ok := part[name]
	if !ok {
		return registry.ArtifactItem{}, fs.ErrNotExist
	}
	return item, nil
}

// look reads what the tag names now. What is known already is not read again.
func (f *ociFetcher) look(ctx context.Context) error {
	digest := ""
	if f.top != nil {
		var err error
		if digest, err = f.artifacts.Head(ctx); err != nil {
			return gone(err)
		}
		if digest == f.top.Digest {
			f.used = false
			return nil
		}
	}
	top, err := f.artifacts.Manifest(ctx, digest)
	if err != nil {
		return gone(err)
	}
	if err := checkTop(f.artifacts, top); err != nil {
		return err
	}
	known := map[string]ociPart{}
	for _, item := range top.Items {
		if part, ok := f.parts[item.Digest]; ok {
			known[item.Digest] = part
		}
	}
	f.top, f.used, f.parts = top, false, known
	return nil
}

func gone(err error) error {
	if registry.IsNotFound(err) {
		return fs.ErrNotExist
	}
	return err
}

func checkTop(artifacts *registry.Artifacts, top *registry.ArtifactManifest) error {
	if top.Index && top.Type == ociCatalogueType {
		return nil
	}
	err := fault.New(fault.Refused, "%s holds something that is no catalogue", artifacts)
	return fault.Hint(err, "give the repository and tag under which the catalogue was published")
}

func countParts(top *registry.ArtifactManifest, kind string) int {
	n := 0
	for _, item := range top.Items {
		if strings.HasPrefix(item.Title, kind+"/") {
			n++
		}
	}
	return n
}

func (f *ociFetcher) part(ctx context.Context, title string) (ociPart, error) {
	for _, item := range f.top.Items {
		if item.Title != title {
			continue
		}
		if part, ok := f.parts[item.Digest]; ok {
			return part, nil
		}
		part, err := readPart(ctx, f.artifacts, item.Digest)
		if err != nil {
			return nil, gone(err)
		}
		f.parts[item.Digest] = part
		return part, nil
	}
	return nil, fs.ErrNotExist
}

func readPart(ctx context.Context, artifacts *registry.Artifacts, digest string) (ociPart, error) {
	m, err := artifacts.Manifest(ctx, digest)
	if err != nil {
		return nil, err
	}
	part := ociPart{}
	for _, item := range m.Items {
		part[item.Title] = item
	}
	return part, nil
}
