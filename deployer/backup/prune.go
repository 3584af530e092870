package backup

import (
	"context"
	"slices"
	"time"
)

// PlanPrune decides about the runs of a domain, of all with "".
func (r *Repository) PlanPrune(ctx context.Context, domain string, policy Policy, now time.Time) ([]Decision, error) {
	runs, err := r.Runs(ctx, domain)
	if err != nil {
		return nil, err
	}
	return policy.Decide(runs, now), nil
}

// Prune removes the runs that are not kept, and then the data that nobody uses. A
// run goes manifest first: one whose removal was interrupted is incomplete.
func (r *Repository) Prune(ctx context.Context, decided []Decision) error {
	var manifests, parts []string
	for _, d := range decided {
		if d.Keep {
			continue
		}
		for _, s := range d.Run.Snapshots {
			if tagValue(s, tagPart) == string(KindManifest) {
				manifests = append(manifests, s.ID)
			} else {
				parts = append(parts, s.ID)
			}
		}
	}
	for _, ids := range [][]string{manifests, parts} {
		if err := r.Forget(ctx, ids); err != nil {
			return err
		}
	}
	return r.Repository.Prune(ctx)
}

// Removed are the decisions against a run.
func Removed(decided []Decision) []Decision {
	return slices.DeleteFunc(slices.Clone(decided), func(d Decision) bool { return d.Keep })
}
