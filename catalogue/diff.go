package catalogue

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/galley-coop/galley/internal/fault"
	"github.com/galley-coop/galley/recipe"
)

// differ compares two catalogues.
type differ struct {
	before, after Readable
	slots         chan struct{} // bounds what is read at a time

	mu  sync.Mutex
	out *Difference
}

// Diff compares a catalogue with a later one, or with what would be signed next:
// all recipes, or those that are named. A recipe whose head has the same hash in
// both is not read, nor is an entry; of a recipe that only one has, only the
// newest version's is. A name that neither has is ErrNotPublished.
func Diff(ctx context.Context, before, after Readable, names ...string) (*Difference, error) {
	d := &differ{before: before, after: after, slots: make(chan struct{}, maxAtOnce), out: &Difference{
		Before: before.side(), After: after.side(),
		Broken: []Broken{}, Added: []RecipeSummary{}, Removed: []RecipeSummary{}, Changed: []RecipeChange{},
	}}
	names, err := d.names(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("comparing: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxAtOnce)
	for _, name := range names {
		group.Go(func() error { return d.recipe(ctx, name) })
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("comparing: %w", err)
	}
	d.finish(len(names))
	return d.out, nil
}

// names are what is compared: what was asked for, or what the indexes list.
func (d *differ) names(ctx context.Context, asked []string) ([]string, error) {
	var names []string
	for _, name := range asked {
		if err := recipe.ValidRecipeName(name); err != nil {
			return nil, fault.Wrap(fault.Usage, err)
		}
		names = append(names, name)
	}
	if len(asked) == 0 {
		for _, side := range []struct {
			from Readable
			out  *DiffSide
		}{{d.before, &d.out.Before}, {d.after, &d.out.After}} {
			index, err := side.from.Index(ctx)
			if err != nil {
				return nil, err
			}
			side.out.Name = index.Name
			names = append(names, index.names()...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// recipe compares one recipe.
func (d *differ) recipe(ctx context.Context, name string) error {
	was, err := d.before.headHash(ctx, name)
	if err != nil {
		return err
	}
	is, err := d.after.headHash(ctx, name)
	if err != nil {
		return err
	}
	if was == is {
		if was == "" { // in neither: say what is like it
			_, err = d.before.Recipe(ctx, name)
		}
		return err
	}
	var before, after *Recipe
	if was != "" {
		if before, err = d.head(ctx, d.before, name); err != nil {
			return err
		}
	}
	if is != "" {
		if after, err = d.head(ctx, d.after, name); err != nil {
			return err
		}
	}
	entries, err := d.entries(ctx, name, d.needed(before, after))
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.out.note(before, after, entries)
	return nil
}

func (d *differ) head(ctx context.Context, from Readable, name string) (*Recipe, error) {
	d.slots <- struct{}{}
	defer func() { <-d.slots }()
	return from.Recipe(ctx, name)
}

// needed are the entries, by hash, that a comparison of two heads takes.
func (d *differ) needed(before, after *Recipe) map[string]wanted {
	need := map[string]wanted{}
	want := func(from Readable, r *Release) {
		if r != nil {
			need[r.Entry] = wanted{from, *r}
		}
	}
	if before == nil || after == nil || anotherNewest(before.Newest(), after.Newest()) {
		want(d.before, newestOf(before))
		want(d.after, newestOf(after))
	}
	if before == nil || after == nil {
		return need
	}
	for i := range after.Versions {
		is := &after.Versions[i]
		was := before.Release(is.Version)
		if was == nil || was.Entry != is.Entry {
			want(d.before, was)
			want(d.after, is)
		}
	}
	return need
}

// wanted is an entry, and who has it.
type wanted struct {
	from    Readable
	release Release
}

func newestOf(r *Recipe) *Release {
	if r == nil {
		return nil
	}
	return r.Newest()
}

// anotherNewest tells whether two heads' newest versions differ.
func anotherNewest(a, b *Release) bool {
	return (a == nil) != (b == nil) || a != nil && a.Version != b.Version
}

func (d *differ) entries(ctx context.Context, name string, need map[string]wanted) (map[string]*Entry, error) {
	var mu sync.Mutex
	entries := map[string]*Entry{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxAtOnce)
	for hash, want := range need {
		group.Go(func() error {
			d.slots <- struct{}{}
			defer func() { <-d.slots }()
			e, _, err := want.from.entry(ctx, name, want.release)
			mu.Lock()
			defer mu.Unlock()
			entries[hash] = e
			return err
		})
	}
	return entries, group.Wait()
}

// finish puts in order what came in any.
func (d *differ) finish(compared int) {
	out := d.out
	out.Compared = compared
	byName := func(a, b RecipeSummary) int { return strings.Compare(a.Name, b.Name) }
	slices.SortFunc(out.Added, byName)
	slices.SortFunc(out.Removed, byName)
	slices.SortFunc(out.Changed, func(a, b RecipeChange) int { return strings.Compare(a.Name, b.Name) })
	slices.SortStableFunc(out.Broken, func(a, b Broken) int { return strings.Compare(a.Recipe, b.Recipe) })
	out.Same = len(out.Added)+len(out.Removed)+len(out.Changed) == 0 && out.Before.Name == out.After.Name
}
