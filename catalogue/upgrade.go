package catalogue

import (
	"context"
	"fmt"

	"github.com/galley-coop/galley/recipe"
)

// PassedOver is a version that an upgrade does not take, and why.
type PassedOver struct {
	Version string `json:"version"`
	Reason  string `json:"reason"`
}

// Upgrade finds the newest version behind from that an upgrade takes: one that is
// not withdrawn, and that take lets through ("" lets it through, anything else is
// the reason why not). Newer ones that were not taken come with it, the newest
// first. The entry is nil when there is none.
//
// Versions are ordered as the catalogue orders them. Those whose names are no
// versions are passed over without a word: nothing says whether they are newer.
func (c *Client) Upgrade(ctx context.Context, r *Recipe, from string, take func(*Entry) string) (*Entry, []PassedOver, error) {
	start, err := recipe.ParseVersion(from)
	if err != nil {
		return nil, nil, err
	}
	passed := []PassedOver{}
	for i := len(r.Versions) - 1; i >= 0; i-- {
		release := r.Versions[i]
		version, err := recipe.ParseVersion(release.Version)
		if err != nil || version.Compare(start) <= 0 {
			continue
		}
		if w := release.Withdrawn; w != nil {
			passed = append(passed, PassedOver{release.Version, fmt.Sprintf("withdrawn (%s)", w)})
			continue
		}
		entry, _, err := c.entry(ctx, r.Name, release)
		if err != nil {
			return nil, passed, err
		}
		reason := take(entry)
		if reason == "" {
			return entry, passed, nil
		}
		passed = append(passed, PassedOver{release.Version, reason})
	}
	return nil, passed, nil
}
