package catalogue

import (
	"context"
)

// Estimate is what registries would be asked for a build, as far as that can be
// told without asking.
type Estimate struct {
	References int `json:"references"` // distinct ones that new versions name
	Learned    int `json:"learned"`    // of these: answered by an earlier run that was interrupted
	Heads      int `json:"heads"`
	Gets       int `json:"gets"` // at least
	// GetsMost is the most GETs that can be needed, -1 when that is not known: what
	// is new or moved costs as many as it has platforms, and one.
	GetsMost int            `json:"gets_most"`
	Hosts    []HostEstimate `json:"hosts"` // by name
	// MaxRequests is how many requests may be sent, 0 for no bound. Left is how many
	// of those that are needed at least remain for the next build then.
	MaxRequests int64 `json:"max_requests"`
	Left        int64 `json:"left"`
}

// HostEstimate is the part of one registry. Numbers are as in Estimate.
type HostEstimate struct {
	Host       string `json:"host"` // the one that is asked, after rewrites
	References int    `json:"references"`
	Learned    int    `json:"learned"`
	Heads      int    `json:"heads"`
	New        int    `json:"new"` // of these: never seen before
	Gets       int    `json:"gets"`
	GetsMost   int    `json:"gets_most"`
	// Repositories are those that are asked for: a host that wants tokens is asked
	// for at most one for each.
	Repositories int `json:"repositories"`
	// Quota is what the host last said about its limit, nil when that is not known.
	Quota *HostQuota `json:"quota,omitempty"`
}

// estimate is of what was read.
func (b *builder) estimate(ctx context.Context) Estimate {
	var all []*candidate
	for _, s := range b.sources {
		all = append(all, s.candidates...)
	}
	quotas := b.quotas()
	e := Estimate{Hosts: []HostEstimate{}}
	for _, h := range b.opts.Resolver.Estimate(ctx, references(all)) {
		e.add(HostEstimate{h.Host, h.References, h.Learned, h.Heads, h.New, h.Gets, h.GetsMost, h.Repositories, quotas[h.Host]})
	}
	if left, bounded := b.opts.Resolver.Allowed(); bounded {
		e.MaxRequests, e.Left = left, max(0, int64(e.Heads+e.Gets)-left)
	}
	return e
}

func (e *Estimate) add(h HostEstimate) {
	e.Hosts = append(e.Hosts, h)
	e.References += h.References
	e.Learned += h.Learned
	e.Heads += h.Heads
	e.Gets += h.Gets
	e.GetsMost = sumKnown(e.GetsMost, h.GetsMost)
}

func sumKnown(a, b int) int {
	if a < 0 || b < 0 {
		return -1
	}
	return a + b
}

// maxHeld bounds the bundles, in bytes, that are kept until all sources were read.
const maxHeld = 128 << 20

// readUpTo reads a source for an estimate. When what was read is too much to keep,
// it is finished at once.
func (b *builder) readUpTo(ctx context.Context, s *builtSource) error {
	err := b.readSource(ctx, s)
	for _, c := range s.candidates {
		b.held.Add(int64(len(c.bundle)))
	}
	if err == nil && b.held.Load() <= maxHeld {
		return nil
	}
	return b.finished(ctx, s, err)
}
