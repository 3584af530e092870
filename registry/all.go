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
	results := map[string]Result{}
	r.each(ctx, refs, progress, func(ctx context.Context, key string, spellings []string) func() {
		img, err := r.Resolve(ctx, key)
		return func() {
			for _, spelling := range spellings {
				results[spelling] = Result{Image: img, Err: err}
			}
		}
	})
	return results
}

// each works on every distinct reference, the hosts side by side. What work
// returns is called from one goroutine at a time, and then progress.
func (r *Resolver) each(ctx context.Context, refs []string, progress func(done, total int),
	work func(ctx context.Context, key string, spellings []string) func(),
) {
	byHost, spellings := r.group(refs)
	batches := r.batches(byHost)
	var mu sync.Mutex
	done := 0
	one := func(order int, key string) {
		report := work(withOrder(withBatch(ctx, batches[key]), order), key, spellings[key])
		mu.Lock()
		defer mu.Unlock()
		report()
		done++
		if progress != nil {
			progress(done, len(spellings))
		}
	}
	var hosts errgroup.Group
	hosts.SetLimit(maxHosts)
	for _, keys := range byHost {
		hosts.Go(func() error {
			r.eachOfHost(keys, one)
			return nil
		})
	}
	_ = hosts.Wait() // every failure is in its result
}

// eachOfHost works on the references of one host. The gate bounds requests; this
// bounds goroutines, of which there are more, so that one waits for every slot
// that gets free.
func (r *Resolver) eachOfHost(keys []string, one func(order int, key string)) {
	var workers errgroup.Group
	workers.SetLimit(2 * r.opts.PerHost)
	for order, key := range keys {
		workers.Go(func() error {
			one(order, key)
			return nil
		})
	}
	_ = workers.Wait()
}

// group sorts references by the host that is asked, each distinct one once, in
// the order given, with the spellings it came in. What cannot be asked for stands
// for itself.
func (r *Resolver) group(refs []string) (byHost, spellings map[string][]string) {
	byHost, spellings = map[string][]string{}, map[string][]string{}
	seen := map[string]bool{}
	for _, ref := range refs {
		if seen[ref] {
			continue
		}
		seen[ref] = true
		key, host := ref, ""
		if parsed, repo, err := r.target(ref); err == nil {
			key, host = parsed.String(), repo.RegistryStr()
		}
		if len(spellings[key]) == 0 {
			byHost[host] = append(byHost[host], key)
		}
		spellings[key] = append(spellings[key], ref)
	}
	return byHost, spellings
}
