package catalogue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/galley-coop/galley/internal/fault"
)

// seed fills an empty output with what is published: a machine that never built
// the catalogue goes on from it all the same, so that no version that somebody
// runs is ever built a second time.
func (b *builder) seed(ctx context.Context) (err error) {
	if b.opts.Previous == "" || b.out.dir.Exists(indexName) {
		return nil
	}
	// An expired catalogue is no reason not to publish a fresh one: at the
	// beginning of time nothing has expired, and all else is verified.
	client, err := Open(ctx, b.opts.Previous, ClientOptions{Root: b.opts.PreviousRoot, Now: time.Unix(0, 0)})
	if err != nil {
		return fault.Hint(fmt.Errorf("going on from what is published: %w", err), "%s", fault.HintOf(err))
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	index, err := client.Index(ctx)
	if err != nil {
		return err
	}
	for _, item := range index.Recipes {
		if err := b.seedRecipe(ctx, client, item.Name); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) seedRecipe(ctx context.Context, client *Client, name string) error {
	r, err := client.Recipe(ctx, name)
	if err != nil {
		return err
	}
	for _, release := range r.Versions {
		e, data, err := client.entry(ctx, name, release)
		if err != nil {
			return err
		}
		if err := b.seedBundle(ctx, client, e); err != nil {
			return err
		}
		if err := b.out.content(entryPath(release.Entry), data); err != nil {
			return err
		}
	}
	data, err := encode(r, "")
	if err != nil {
		return err
	}
	return b.out.write(recipePath(name), data)
}

func (b *builder) seedBundle(ctx context.Context, client *Client, e *Entry) error {
	if b.dry {
		return nil
	}
	tar, err := client.bundle(ctx, e)
	if err != nil {
		return err
	}
	return b.out.content(e.Bundle.Path(), tar)
}
