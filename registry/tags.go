package registry

import (
	"context"
	"fmt"
	"slices"
)

// maxTags bounds the tags that are taken from one repository.
const maxTags = 20_000

// Tags lists the tags of a reference's repository, sorted. Errors are as of
// Resolve.
func (r *Resolver) Tags(ctx context.Context, ref string) ([]string, error) {
	parsed, err := ParseReference(ref)
	if err != nil {
		return nil, err
	}
	repo, err := r.repository(parsed)
	if err != nil {
		return nil, err
	}
	puller, err := r.puller()
	if err != nil {
		return nil, err
	}
	lister, err := puller.Lister(ctx, repo)
	if err != nil {
		return nil, explain(ctx, hostName(repo), parsed, err)
	}
	var tags []string
	for lister.HasNext() {
		page, err := lister.Next(ctx)
		if err != nil {
			return nil, explain(ctx, hostName(repo), parsed, err)
		}
		tags = append(tags, page.Tags...)
		if len(tags) > maxTags {
			return nil, fmt.Errorf("repository %q has more than %d tags", parsed.Familiar(), maxTags)
		}
	}
	slices.Sort(tags)
	return slices.Compact(tags), nil
}
