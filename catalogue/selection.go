package catalogue

import (
	"context"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/galley-coop/galley/internal/fault"
)

// selected is a recipe of which some versions were chosen.
type selected struct {
	recipe   *Recipe
	releases []Release // ascending
	entries  []*Entry  // of the releases
}

// selectEntries reads the versions that names choose: "web" is all of a recipe
// that are wanted, "web@1.0.0+1.27" is one, wanted or not; no names are all
// recipes. They come by name, each version once.
func selectEntries(ctx context.Context, from *Client, names []string, wanted func(Release) bool) ([]selected, error) {
	choices, err := choose(ctx, from, names)
	if err != nil {
		return nil, err
	}
	recipes := slices.Sorted(maps.Keys(choices))
	all := make([]selected, len(recipes))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxAtOnce)
	for i, name := range recipes {
		group.Go(func() (err error) {
			all[i], err = from.selectOf(ctx, name, choices[name], wanted)
			return err
		})
	}
	return all, group.Wait()
}

// choose reads names into versions by recipe; an empty version is all of them.
func choose(ctx context.Context, from *Client, names []string) (map[string][]string, error) {
	choices := map[string][]string{}
	for _, given := range names {
		name, version, one := strings.Cut(given, "@")
		if one && version == "" {
			return nil, fault.Hint(fault.New(fault.Usage, "%q names no version", given), "write it as recipe, or recipe@version")
		}
		choices[name] = append(choices[name], version)
	}
	if len(names) > 0 {
		return choices, nil
	}
	index, err := from.Index(ctx)
	if err != nil {
		return nil, err
	}
	for _, item := range index.Recipes {
		choices[item.Name] = []string{""}
	}
	return choices, nil
}

func (c *Client) selectOf(ctx context.Context, name string, versions []string, wanted func(Release) bool) (selected, error) {
	r, err := c.Recipe(ctx, name)
	if err != nil {
		return selected{}, err
	}
	s := selected{recipe: r}
	for _, version := range versions {
		if version != "" && r.Release(version) == nil {
			return selected{}, c.unknownVersion(r, version)
		}
	}
	for _, release := range r.Versions {
		if !slices.Contains(versions, release.Version) && (!slices.Contains(versions, "") || !wanted(release)) {
			continue
		}
		e, _, err := c.entry(ctx, name, release)
		if err != nil {
			return selected{}, err
		}
		s.releases, s.entries = append(s.releases, release), append(s.entries, e)
	}
	return s, nil
}
