package registry

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"
)

// maxHosts bounds the registries that are asked at the same time.
const maxHosts = 32

// Result is the answer about one reference: Err, or else Image.
type Result struct {
	Image Image
	Err   error
}

// ResolveAll resolves many references at once and returns a Result for each
// spelling in refs. Spellings of one reference ("nginx:1", "docker.io/library/nginx:1")
// are asked once; a reference that fails does not stop the others, and a slow
// host does not hold the other hosts back. Progress, which may be nil, is called
// after each distinct reference, from one goroutine at a time.
func (r *Resolver) ResolveAll(ctx context.Context, refs []string, progress func(done, total int)) map[string]Result {
	byHost, spellings := group(refs)
	results := map[string]Result{}
	var mu sync.Mutex
	done := 0
	report := func(key string, res Result) {
		mu.Lock()
		defer mu.Unlock()
		for _, spelling := range spellings[key] {
			results[spelling] = res
		}
		done++
		if progress != nil {
			progress(done, len(spellings))
		}
	}
	var hosts errgroup.Group
	hosts.SetLimit(maxHosts)
	for _, keys := range byHost {
		hosts.Go(func() error {
			r.resolveHost(ctx, keys, report)
			return nil
		})
	}
	_ = hosts.Wait() // every failure is in its Result
	return results
}

// resolveHost resolves the references of one host. The gate bounds requests;
// this bounds goroutines.
func (r *Resolver) resolveHost(ctx context.Context, keys []string, report func(string, Result)) {
	var workers errgroup.Group
	workers.SetLimit(r.opts.PerHost)
	for _, key := range keys {
		workers.Go(func() error {
			img, err := r.Resolve(ctx, key)
			report(key, Result{Image: img, Err: err})
			return nil
		})
	}
	_ = workers.Wait()
}

// group sorts references by host, each distinct one once, in the order given,
// with the spellings it came in. What cannot be parsed stands for itself.
func group(refs []string) (byHost, spellings map[string][]string) {
	byHost, spellings = map[string][]string{}, map[string][]string{}
	seen := map[string]bool{}
	for _, ref := range refs {
		if seen[ref] {
			continue
		}
		seen[ref] = true
		key, host := ref, ""
		if parsed, err := ParseReference(ref); err == nil {
			key, host = parsed.String(), parsed.Domain
		}
		if len(spellings[key]) == 0 {
			byHost[host] = append(byHost[host], key)
		}
		spellings[key] = append(spellings[key], ref)
	}
	return byHost, spellings
}
