package catalogue

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"sync"

	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/registry"
)

const (
	// pushers is how many uploads are under way; the registry's wire bounds the
	// requests.
	pushers = 8
	// The files that one part has on the average. Readers want one file of a
	// metadata part, and hardly ever a recipes part.
	perMetadataPart = 32
	perRecipesPart  = 512
)

// ociPublisher pushes a catalogue into a repository.
type ociPublisher struct {
	src       *publishSource
	artifacts *registry.Artifacts
	opts      PublishOptions
	out       *Published

	old      *registry.ArtifactManifest // what the tag names, nil for nothing
	oldFiles ociPart                    // of its parts, as far as they differ from new ones
	parts    map[string]*registry.ArtifactManifest
	top      *registry.ArtifactManifest
	changed  []string // recipes

	slots chan struct{} // of files that are in memory

	mu    sync.Mutex
	known map[string]bool // digests that the repository has
	done  int
	total int
}

func publishOCI(ctx context.Context, src *publishSource, opts PublishOptions, out *Published) error {
	artifacts, closeWire, err := openArtifacts(opts.Target, opts.Timeout)
	if err != nil {
		return err
	}
	defer closeWire()
	p := &ociPublisher{
		src: src, artifacts: artifacts, opts: opts, out: out,
		oldFiles: ociPart{}, parts: map[string]*registry.ArtifactManifest{}, known: map[string]bool{},
		slots: make(chan struct{}, pushers),
	}
	defer func() { out.Requests = artifacts.Requests() }()
	if err := p.plan(); err != nil {
		return err
	}
	out.Digest = p.top.Digest
	if err := p.look(ctx); err != nil {
		return err
	}
	if p.isOld() && !opts.Recheck {
		return nil
	}
	if err := p.compare(ctx); err != nil {
		return err
	}
	if err := p.push(ctx); err != nil {
		return err
	}
	return p.release(ctx)
}

// look reads what the tag names, and refuses to go back from it.
func (p *ociPublisher) look(ctx context.Context) error {
	old, err := p.artifacts.Manifest(ctx, "")
	if registry.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := checkTop(p.artifacts, old); err != nil {
		return fault.Hint(err, "publish under another tag, or remove this one first")
	}
	p.old = old
	if p.isOld() {
		p.out.Previous = p.src.version
		return nil
	}
	there := standing{roots: map[string]string{}}
	core, err := p.oldPart(ctx, corePart)
	if err != nil {
		return err
	}
	for name, item := range core {
		if rootName.MatchString(name) {
			there.roots[name] = item.Digest[len("sha256:"):]
		}
	}
	if item, ok := core[trust.TimestampName]; ok {
		there.timestamp, err = p.artifacts.Blob(ctx, item.Digest, trust.MaxLength(trust.Timestamp))
		if err != nil {
			return err
		}
	}
	p.out.Previous, err = p.src.follow(there)
	return err
}

// isOld tells that the tag names the very catalogue that is published.
func (p *ociPublisher) isOld() bool { return p.old != nil && p.old.Digest == p.top.Digest }

// oldPart reads a part of what the tag names, and remembers that its files are
// there: a registry takes no manifest of what it does not have.
func (p *ociPublisher) oldPart(ctx context.Context, title string) (ociPart, error) {
	for _, item := range p.old.Items {
		if item.Title != title {
			continue
		}
		part, err := readPart(ctx, p.artifacts, item.Digest)
		if err != nil {
			return nil, err
		}
		for name, file := range part {
			p.oldFiles[name] = file
			p.known[file.Digest] = true
		}
		return part, nil
	}
	return nil, nil
}

// plan makes the parts of the current catalogue, and the index of them.
func (p *ociPublisher) plan() error {
	names, err := p.src.named()
	if err != nil {
		return err
	}
	counts := countsOf(names)
	for kind, n := range counts {
		for k := range n {
			p.parts[kind+"/"+strconv.Itoa(k)] = &registry.ArtifactManifest{Type: ociPartType}
		}
	}
	p.parts[corePart] = &registry.ArtifactManifest{Type: ociPartType}
	for _, name := range names {
		item, err := p.item(name)
		if err != nil {
			return err
		}
		title, _ := partOf(name, func(kind string) int { return counts[kind] })
		p.parts[title].Items = append(p.parts[title].Items, item)
	}
	p.top = &registry.ArtifactManifest{Type: ociCatalogueType, Index: true}
	for _, title := range slices.Sorted(maps.Keys(p.parts)) {
		part := p.parts[title]
		if _, err := part.Seal(); err != nil {
			return fmt.Errorf("part %s: %w", title, err)
		}
		p.top.Items = append(p.top.Items, registry.ArtifactItem{Title: title, Digest: part.Digest, Size: part.Size})
	}
	_, err = p.top.Seal()
	return err
}

// countsOf is how many parts of each kind such files need: a power of two, so
// that a few more files rarely change it.
func countsOf(names []string) map[string]int {
	files := map[string]int{}
	for _, name := range names {
		title, _ := partOf(name, func(string) int { return 1 })
		files[path.Dir(title)]++
	}
	counts := map[string]int{}
	for kind, each := range map[string]int{metadataPart: perMetadataPart, recipesPart: perRecipesPart} {
		if files[kind] == 0 {
			continue
		}
		counts[kind] = 1
		for counts[kind]*each < files[kind] {
			counts[kind] *= 2
		}
	}
	return counts
}

// named are the files that parts name: what changes in place, the roots, and the
// metadata that the timestamp leads to. Older metadata is of use only to readers
// who hold an older index, and it has that.
func (s *publishSource) named() ([]string, error) {
	names := append(slices.Clone(s.plain), s.rootFiles...)
	names = append(names, trust.TimestampName)
	timestamp, err := trust.Parse(trust.Timestamp, s.timestamp)
	if err != nil {
		return nil, s.refuse(trust.TimestampName, err)
	}
	for _, f := range timestamp.Files {
		name := trust.Name(trust.Snapshot, f.Version)
		data, err := s.read(name, trust.MaxLength(trust.Snapshot))
		if err != nil {
			return nil, err
		}
		snapshot, err := trust.Parse(trust.Snapshot, data)
		if err != nil {
			return nil, s.refuse(name, err)
		}
		names = append(names, name)
		for role, f := range snapshot.Files {
			names = append(names, trust.Folder+"/"+strconv.FormatInt(f.Version, 10)+"."+role)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// item is a file as a manifest names it.
func (p *ociPublisher) item(name string) (registry.ArtifactItem, error) {
	item := registry.ArtifactItem{Title: name, Media: "application/json", Size: p.src.sizes[name]}
	if path.Ext(name) == ".tar" {
		item.Media = "application/x-tar"
	}
	if hash, ok := contentHash(name); ok {
		item.Digest = "sha256:" + hash
		return item, nil
	}
	data, err := p.data(name)
	if err != nil {
		return item, err
	}
	item.Digest, item.Size = "sha256:"+hashOf(data), int64(len(data))
	return item, nil
}

func (p *ociPublisher) data(name string) ([]byte, error) {
	if name == trust.TimestampName {
		return p.src.timestamp, nil
	}
	return p.src.file(name)
}

// compare finds the recipes that are not those of the old catalogue. A part
// that is there already says nothing new.
func (p *ociPublisher) compare(ctx context.Context) error {
	same := map[string]bool{}
	if p.old != nil {
		for _, item := range p.old.Items {
			part := p.parts[item.Title]
			same[item.Title] = part != nil && part.Digest == item.Digest && !p.opts.Recheck
			if same[item.Title] || item.Title == corePart {
				continue
			}
			if _, err := p.oldPart(ctx, item.Title); err != nil {
				return err
			}
		}
	}
	if p.opts.Recheck {
		clear(p.known)
	}
	for title, part := range p.parts {
		for _, item := range part.Items {
			of, isRecipe := recipeOf(item.Title)
			if isRecipe && !same[title] && (p.opts.Recheck || p.oldFiles[item.Title].Digest != item.Digest) {
				p.changed = append(p.changed, of)
			}
		}
		if same[title] {
			delete(p.parts, title)
		}
	}
	slices.Sort(p.changed)
	return nil
}
