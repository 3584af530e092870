package catalogue

import (
	"context"

	"github.com/galley-coop/galley/recipe"
)

// Newer is the newest version of a recipe that is not withdrawn, that its
// publisher's lint gate vetted, and that is newer than version; "" when there is
// none, or when version is none that can be compared.
func (c *Client) Newer(ctx context.Context, name, version string) (string, error) {
	now, err := recipe.ParseVersion(version)
	if err != nil {
		return "", nil
	}
	r, err := c.Recipe(ctx, name)
	if err != nil {
		return "", err
	}
	for i := len(r.Versions) - 1; i >= 0; i-- {
		release := r.Versions[i]
		next, err := recipe.ParseVersion(release.Version)
		if err != nil || release.Withdrawn != nil {
			continue
		}
		if next.Compare(now) <= 0 {
			return "", nil // they ascend
		}
		entry, _, err := c.entry(ctx, name, release)
		if err != nil {
			return "", err
		}
		if entry.Lint.Vetted {
			return release.Version, nil
		}
	}
	return "", nil
}
