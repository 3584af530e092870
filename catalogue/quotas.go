package catalogue

import (
	"encoding/json"
	"time"

	"github.com/galley-coop/galley/catalogue/disk"
	"github.com/galley-coop/galley/registry"
)

// HostQuota is what a registry last said about its limit on requests.
type HostQuota struct {
	Remaining int64 `json:"remaining"`
	Limit     int64 `json:"limit"` // -1 when it did not say
	// Heard is when it said so; until Reset, if that is known, nothing is added.
	Heard time.Time  `json:"heard"`
	Reset *time.Time `json:"reset,omitempty"`
	// Pulls means that only GETs of manifests are counted.
	Pulls bool `json:"pulls"`
}

const (
	quotasName = "quotas.json"
	maxQuotas  = 1 << 20
	// quotaAge is how long a limit is of interest whose reset is not known: Docker
	// Hub counts over six hours.
	quotaAge = 6 * time.Hour
)

// keepQuotas writes down what hosts said, for the estimate of the next run. Like
// all of the cache it may be lost.
func (b *builder) keepQuotas() {
	heard := b.opts.Resolver.Stats().Quotas
	if b.opts.CacheDir == "" || len(heard) == 0 {
		return
	}
	cache, err := disk.Create(b.opts.CacheDir)
	if err != nil {
		return
	}
	defer cache.Close()
	kept := readQuotas(cache, b.opts.Now)
	for _, q := range heard {
		kept[q.Host] = newQuota(q, b.opts.Now)
	}
	if data, err := json.Marshal(kept); err == nil {
		_ = cache.Put(quotasName, data)
	}
}

func newQuota(q registry.Quota, now time.Time) *HostQuota {
	kept := &HostQuota{Remaining: q.Remaining, Limit: q.Limit, Heard: now.UTC().Truncate(time.Second), Pulls: q.Pulls}
	if !q.Reset.IsZero() {
		reset := q.Reset.UTC().Truncate(time.Second)
		kept.Reset = &reset
	}
	return kept
}

// quotas are what hosts said in this run or in earlier ones, by host.
func (b *builder) quotas() map[string]*HostQuota {
	known := map[string]*HostQuota{}
	if cache, err := disk.Open(b.opts.CacheDir); b.opts.CacheDir != "" && err == nil {
		known = readQuotas(cache, b.opts.Now)
		_ = cache.Close()
	}
	for _, q := range b.opts.Resolver.Stats().Quotas {
		known[q.Host] = newQuota(q, b.opts.Now)
	}
	return known
}

// readQuotas reads those that still say something.
func readQuotas(cache *disk.Dir, now time.Time) map[string]*HostQuota {
	known := map[string]*HostQuota{}
	data, err := cache.Read(quotasName, maxQuotas)
	if err != nil || json.Unmarshal(data, &known) != nil {
		return map[string]*HostQuota{}
	}
	for host, q := range known {
		if q == nil || q.Reset != nil && !q.Reset.After(now) || q.Reset == nil && now.Sub(q.Heard) > quotaAge {
			delete(known, host)
		}
	}
	return known
}
