package catalogue

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/galley-coop/galley/catalogue/trust"
	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/registry"
)

// push stores what the index will lead to: blobs, then the manifests that keep
// each recipe's, then the parts.
func (p *ociPublisher) push(ctx context.Context) error {
	if p.old == nil || p.opts.Recheck {
		if err := p.artifacts.PushConfig(ctx); err != nil {
			return err
		}
	}
	p.total = len(p.changed) + len(p.parts) + 1
	if err := each(ctx, p.changed, p.pushRecipe); err != nil {
		return err
	}
	return each(ctx, slices.Sorted(maps.Keys(p.parts)), func(ctx context.Context, title string) error {
		if err := p.pushBlobs(ctx, p.parts[title].Items); err != nil {
			return err
		}
		return p.pushManifest(ctx, p.parts[title], "")
	})
}

func each(ctx context.Context, names []string, do func(context.Context, string) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(pushers)
	for _, name := range names {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return fault.Wrap(fault.Interrupted, err)
			}
			return do(ctx, name)
		})
	}
	return group.Wait()
}

// pushRecipe stores the files of a recipe, and the manifest that keeps them.
// What the manifest that is there names needs no asking for.
func (p *ociPublisher) pushRecipe(ctx context.Context, of string) error {
	m, err := p.recipeManifest(of)
	if err != nil {
		return err
	}
	tag := "recipe-" + of
	if p.old != nil && !p.opts.Recheck {
		there, err := p.artifacts.Tagged(ctx, tag)
		switch {
		case registry.IsNotFound(err):
		case err != nil:
			return err
		case there.Digest == m.Digest:
			p.progress()
			return nil
		default:
			p.has(there.Items)
		}
	}
	if err := p.pushBlobs(ctx, m.Items); err != nil {
		return err
	}
	return p.pushManifest(ctx, m, tag)
}

// recipeManifest names every file with its hash in the name that the recipe's
// file, or a file that it names, names.
func (p *ociPublisher) recipeManifest(of string) (*registry.ArtifactManifest, error) {
	head, err := p.data(recipePath(of))
	if err != nil {
		return nil, err
	}
	found := map[string]bool{trust.HashedName(recipePath(of), hashOf(head)): true}
	for queue := [][]byte{head}; len(queue) > 0; queue = queue[1:] {
		for _, name := range p.src.namedIn(queue[0]) {
			if found[name] {
				continue
			}
			found[name] = true
			if path.Ext(name) != ".json" {
				continue
			}
			data, err := p.src.file(name)
			if err != nil {
				return nil, err
			}
			queue = append(queue, data)
		}
	}
	m := &registry.ArtifactManifest{Type: ociRecipeType}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		item, err := p.item(name)
		if err != nil {
			return nil, err
		}
		m.Items = append(m.Items, item)
	}
	if _, err := m.Seal(); err != nil {
		return nil, fmt.Errorf("recipe %s: %w", of, err)
	}
	return m, nil
}

// namedIn are the entries and bundles whose hashes a JSON file holds.
func (s *publishSource) namedIn(data []byte) []string {
	var names []string
	for _, hash := range anyHash.FindAll(data, -1) {
		for _, name := range []string{"v1/entries/" + string(hash) + ".json", bundlesDir + "/" + string(hash) + ".tar"} {
			if _, ok := s.sizes[name]; ok {
				names = append(names, name)
			}
		}
	}
	return names
}

func (p *ociPublisher) has(items []registry.ArtifactItem) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, item := range items {
		p.known[item.Digest] = true
	}
}

func (p *ociPublisher) isKnown(digest string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[digest]
}

func (p *ociPublisher) pushBlobs(ctx context.Context, items []registry.ArtifactItem) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(pushers)
	for _, item := range items {
		if p.isKnown(item.Digest) {
			continue
		}
		group.Go(func() error { return p.pushBlob(ctx, item) })
	}
	return group.Wait()
}

func (p *ociPublisher) pushBlob(ctx context.Context, item registry.ArtifactItem) error {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return fault.Wrap(fault.Interrupted, ctx.Err())
	}
	if p.isKnown(item.Digest) {
		return nil
	}
	sent, err := p.artifacts.PushBlob(ctx, item, func() (io.ReadCloser, error) {
		data, err := p.data(item.Title)
		if err == nil && "sha256:"+hashOf(data) != item.Digest {
			err = p.src.changed(item.Title)
		}
		return io.NopCloser(bytes.NewReader(data)), err
	})
	if err != nil {
		return err
	}
	p.has([]registry.ArtifactItem{item})
	if sent {
		p.wrote(item.Size)
	}
	return nil
}

func (p *ociPublisher) pushManifest(ctx context.Context, m *registry.ArtifactManifest, tag string) error {
	if err := p.artifacts.Push(ctx, m, tag); err != nil {
		return err
	}
	p.wrote(m.Size)
	p.progress()
	return nil
}

func (p *ociPublisher) wrote(bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out.Written++
	p.out.WrittenBytes += bytes
}

func (p *ociPublisher) progress() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	p.opts.Progress(PublishEvent{Stage: "pushing", Done: p.done, Total: p.total})
}

// release moves the tag, which is the moment at which readers see the new
// catalogue, unless somebody else moved it meanwhile. Registries have no
// compare-and-swap: two who get here within one round trip are not told apart.
func (p *ociPublisher) release(ctx context.Context) error {
	if err := p.src.unchanged(); err != nil {
		return err
	}
	now, err := p.artifacts.Head(ctx)
	if err != nil && !registry.IsNotFound(err) {
		return err
	}
	before := ""
	if p.old != nil {
		before = p.old.Digest
	}
	if now == "" && err == nil {
		there, err := p.artifacts.Manifest(ctx, "") // HEAD does not tell
		if err != nil {
			return err
		}
		now = there.Digest
	}
	if now != before {
		err := fault.New(fault.Unavailable, "another galley published to %s meanwhile: it is %s now", p.artifacts, now)
		return fault.Hint(err, "publish again when it is done; what was pushed is kept")
	}
	if err := p.artifacts.Release(ctx, p.top); err != nil {
		return err
	}
	p.wrote(p.top.Size)
	p.progress()
	return nil
}
