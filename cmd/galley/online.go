package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/registry"
)

// outside is what the linter's rules may ask of the network: nothing unless
// --online or --catalogue was given. A catalogue that was named and cannot be
// read, or does not verify, is an error and not a rule that is skipped.
func (c *lintCmd) outside(ctx context.Context, s *streams) (lint.World, error) {
	var world lint.World
	if c.Online {
		world.Upstream = &web{client: &http.Client{Timeout: 20 * time.Second}, known: map[string]error{}}
		resolver := registry.New(registry.Options{CacheDir: cacheDir("registry"), UserAgent: "galley/" + buildVersion()})
		world.Images = &images{resolver: resolver, known: map[string]*looked{}}
	}
	if c.Catalogue == "" {
		return world, nil
	}
	client, err := openCatalogue(ctx, s, c.Catalogue, "", trustDir())
	if err != nil {
		return world, err
	}
	world.Catalogue, world.Pins = client, pins{client}
	return world, nil
}

// web asks whether addresses answer, each once.
type web struct {
	client *http.Client
	mu     sync.Mutex
	known  map[string]error
}

// Reachable fails when nothing answers at url, or the answer is an error.
func (w *web) Reachable(ctx context.Context, url string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err, ok := w.known[url]; ok {
		return err
	}
	err := w.ask(ctx, url)
	w.known[url] = err
	return err
}

func (w *web) ask(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return fmt.Errorf("%q is no web address", url)
	}
	response, err := w.client.Do(request)
	if err != nil {
		return fmt.Errorf("nothing answers at %q", url)
	}
	response.Body.Close()
	if response.StatusCode >= 400 && response.StatusCode != http.StatusMethodNotAllowed {
		return fmt.Errorf("%q answers %s", url, response.Status)
	}
	return nil
}

// images asks registries, each reference once however many rules want it.
type images struct {
	resolver *registry.Resolver
	mu       sync.Mutex
	known    map[string]*looked
}

// looked is what was asked of one reference.
type looked struct {
	facts, tags sync.Once
	image       lint.ImageFacts
	imageErr    error
	list        []string
	listErr     error
}

func (i *images) look(reference string) *looked {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.known[reference] == nil {
		i.known[reference] = &looked{}
	}
	return i.known[reference]
}

// Image looks a reference up; lint.ErrNoImage when the registry has none.
func (i *images) Image(ctx context.Context, reference string) (lint.ImageFacts, error) {
	l := i.look(reference)
	l.facts.Do(func() {
		image, err := i.resolver.Resolve(ctx, reference)
		l.imageErr = noImage(err)
		l.image = lint.ImageFacts{Digest: image.Digest, Index: image.IsIndex()}
		for _, child := range image.Children {
			l.image.Platforms = append(l.image.Platforms, child.Platform.String())
		}
	})
	return l.image, l.imageErr
}

// Tags lists the tags of a reference's repository.
func (i *images) Tags(ctx context.Context, reference string) ([]string, error) {
	l := i.look(reference)
	l.tags.Do(func() {
		l.list, l.listErr = i.resolver.Tags(ctx, reference)
		l.listErr = noImage(l.listErr)
	})
	return l.list, l.listErr
}

func noImage(err error) error {
	var of *registry.Error
	if errors.As(err, &of) && of.Kind == registry.NotFound {
		return lint.ErrNoImage
	}
	return err
}

// pins are the digests of a verified catalogue.
type pins struct{ client *catalogue.Client }

// Digests are of the newest published version, none for a recipe that is not
// published.
func (p pins) Digests(ctx context.Context, name string) (map[string]string, error) {
	_, entry, err := p.client.Entry(ctx, name, "")
	if errors.Is(err, catalogue.ErrNotPublished) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	digests := map[string]string{}
	for _, image := range entry.Images {
		digests[image.Reference] = image.Digest
	}
	return digests, nil
}
