package registry

import (
	"cmp"
	"context"
	"slices"
)

// leastGets is what a reference costs of which nothing is known: an image and its
// config, or an index and at least one image in it.
const leastGets = 2

// HostEstimate is what ResolveAll would send to one host, as far as that can be
// told without asking.
type HostEstimate struct {
	// Host is the one that is asked, after rewrites.
	Host string
	// References are the distinct ones that are asked for there.
	References int
	// Learned of them are answered without a request (Options.Learned).
	Learned int
	// Heads are needed for the others, but for those whose digest was learned while
	// the facts about it were not.
	Heads int
	// New of these were never seen before.
	New int
	// Gets are needed at least: two for each reference of which nothing is known.
	// There are fewer where a new reference has a digest that is known by another
	// name.
	Gets int
	// GetsMost is the most that can be needed, -1 when that is not known: what is
	// new, or moved, costs as many as it has platforms, and one.
	GetsMost int
	// Repositories are those that are asked for. A host that wants tokens is asked
	// for at most one for each, besides a ping or two.
	Repositories int
}

// Estimate tells what ResolveAll would send, host by host, and sends nothing.
// References that cannot be asked for are left out.
func (r *Resolver) Estimate(ctx context.Context, refs []string) []HostEstimate {
	hosts, repositories := map[string]*HostEstimate{}, map[string]bool{}
	_, spellings := r.group(refs)
	for ref := range spellings {
		parsed, repo, err := r.target(ref)
		if err != nil {
			continue
		}
		host := hosts[hostName(repo)]
		if host == nil {
			host = &HostEstimate{Host: hostName(repo)}
			hosts[host.Host] = host
		}
		asked := host.add(r.expect(ctx, parsed, askedName(repo, parsed)))
		if asked && !repositories[repo.Name()] {
			repositories[repo.Name()] = true
			host.Repositories++
		}
	}
	return byName(hosts)
}

// expectation is what one reference is expected to cost.
type expectation int

const (
	costsNothing expectation = iota
	costsFetch               // its digest was learned just now, and not the facts
	costsHead                // its digest cannot change, and the facts are known
	costsMoved               // seen before: GETs only if it moved
	costsPinned              // never fetched: GETs for certain
	costsNew                 // never seen
)

// expect looks up what is known of a reference.
func (r *Resolver) expect(ctx context.Context, ref Reference, asked string) expectation {
	if digest, ok := r.remembered(asked); ok {
		if _, known := r.cache.get(ctx, digest); known {
			return costsNothing
		}
		return costsFetch
	}
	digest := ref.Digest
	if digest == "" {
		digest, _, _ = r.learned.get(asked)
	}
	if digest == "" {
		return costsNew
	}
	switch _, known := r.cache.get(ctx, digest); {
	case known && ref.Digest != "":
		return costsHead
	case known:
		return costsMoved
	}
	return costsPinned
}

// add counts a reference, and tells whether anything is asked for it.
func (h *HostEstimate) add(e expectation) (asked bool) {
	h.References++
	if e == costsNothing {
		h.Learned++
		return false
	}
	if e != costsFetch {
		h.Heads++
	}
	if e == costsNew {
		h.New++
	}
	if e == costsNew || e == costsPinned || e == costsFetch {
		h.Gets += leastGets
	}
	if e != costsHead {
		h.GetsMost = -1
	}
	return true
}

func byName(hosts map[string]*HostEstimate) []HostEstimate {
	var list []HostEstimate
	for _, host := range hosts {
		list = append(list, *host)
	}
	slices.SortFunc(list, func(a, b HostEstimate) int { return cmp.Compare(a.Host, b.Host) })
	return list
}
