package rules

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/galley-coop/galley/lint"
	"github.com/galley-coop/galley/recipe/source"
	"github.com/galley-coop/galley/registry"
)

// world answers as the facts say.
func (f facts) world() lint.World {
	var w lint.World
	if f.history {
		w.History = historyFacts{f}
	}
	if f.catalogue {
		w.Catalogue = catalogueFacts{f}
	}
	if f.upstream {
		w.Upstream = upstreamFacts{f}
	}
	if f.online {
		w.Images = imagesFacts{f}
	}
	if f.pinned {
		w.Pins = pinsFacts{f}
	}
	return w
}

type historyFacts struct{ facts }

func (h historyFacts) Versions(context.Context) ([]source.Version, error) {
	return slices.Clone(h.versions), h.unreachable
}

// Tree finds an example's earlier files: those of a version are written as
// "version@name". A version's commit is its name.
func (h historyFacts) Tree(_ context.Context, commit string) (fs.FS, error) {
	if h.unreachable != nil {
		return nil, h.unreachable
	}
	tree, ok := h.trees[commit]
	if !ok {
		return nil, fmt.Errorf("no commit %q", commit)
	}
	return tree, nil
}

type catalogueFacts struct{ facts }

func (c catalogueFacts) Versions(context.Context, string) ([]string, error) {
	return c.published, c.unreachable
}

type upstreamFacts struct{ facts }

func (u upstreamFacts) Reachable(_ context.Context, url string) error {
	if slices.Contains(u.silent, url) {
		return errors.New("no such host")
	}
	return nil
}

type imagesFacts struct{ facts }

func (i imagesFacts) Image(_ context.Context, reference string) (lint.ImageFacts, error) {
	if i.unreachable != nil {
		return lint.ImageFacts{}, i.unreachable
	}
	if slices.Contains(i.missing, normal(reference)) {
		return lint.ImageFacts{}, lint.ErrNoImage
	}
	if stated, ok := i.images[normal(reference)]; ok {
		return stated, nil
	}
	return lint.ImageFacts{Digest: digestOf(reference), Index: true, Platforms: []string{"linux/amd64", "linux/arm64"}}, nil
}

func (i imagesFacts) Tags(_ context.Context, reference string) ([]string, error) {
	ref, err := registry.ParseReference(reference)
	if err := cmp.Or(i.unreachable, err); err != nil {
		return nil, err
	}
	if stated, ok := i.tags[ref.Name()]; ok {
		return slices.Clone(stated), nil
	}
	return []string{ref.Tag}, nil
}

type pinsFacts struct{ facts }

func (p pinsFacts) Digests(context.Context, string) (map[string]string, error) {
	return p.pins, p.unreachable
}
