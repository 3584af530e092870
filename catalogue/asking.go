package catalogue

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/galley-coop/galley/registry"
)

// images is what a run asked registries.
type images struct {
	before registry.Stats

	mu      sync.Mutex
	asked   map[string]*answer // by reference
	answers int
	began   time.Time // of the first question
	seconds float64   // from then to the last answer
	shown   time.Time
}

// answer is what came of one reference, once it is there.
type answer struct {
	there  chan struct{}
	result registry.Result
}

// showEvery is how often the screen is told of answers.
const showEvery = 100 * time.Millisecond

// claim gives the answers to the references, and names those that nobody asked for
// yet in this run: they are the caller's to ask for.
func (i *images) claim(wanted []string) (answers map[string]*answer, mine []string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.asked == nil {
		i.asked, i.began = map[string]*answer{}, time.Now()
	}
	answers = map[string]*answer{}
	for _, ref := range wanted {
		if i.asked[ref] == nil {
			i.asked[ref] = &answer{there: make(chan struct{})}
			mine = append(mine, ref)
		}
		answers[ref] = i.asked[ref]
	}
	return answers, mine
}

// answered counts an answer, and tells whether it is time to show that.
func (i *images) answered() (answers, asked int, show bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answers++
	if now := time.Now(); now.Sub(i.shown) >= showEvery || i.answers == len(i.asked) {
		i.shown, show = now, true
	}
	return i.answers, len(i.asked), show
}

func (i *images) ended() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.seconds = time.Since(i.began).Seconds()
}

// references are the distinct images that candidates name and whose digests are
// not known, sorted.
func references(candidates []*candidate) []string {
	wanted := map[string]bool{}
	for _, c := range candidates {
		if c.entry.Images != nil {
			continue
		}
		for _, use := range c.images {
			wanted[use.ref.String()] = true
		}
	}
	return slices.Sorted(maps.Keys(wanted))
}

// resolve asks for every image that any of the candidates names, unless another
// source did: an image is asked for once in a run.
func (b *builder) resolve(ctx context.Context, candidates []*candidate) (map[string]registry.Result, error) {
	wanted := references(candidates)
	if len(wanted) == 0 {
		return nil, ctx.Err()
	}
	answers, mine := b.images.claim(wanted)
	results := b.opts.Resolver.ResolveAll(ctx, mine, func(int, int) { b.showImages() })
	for _, ref := range mine {
		answers[ref].result = results[ref]
		close(answers[ref].there)
	}
	b.images.ended()
	all := map[string]registry.Result{}
	for ref, a := range answers {
		select {
		case <-a.there:
			all[ref] = a.result
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return all, ctx.Err()
}

func (b *builder) showImages() {
	answers, asked, show := b.images.answered()
	if !show || b.opts.Progress == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.opts.Progress(b.event(StageImages, "", answers, asked))
}

// event is how far a run is.
func (b *builder) event(stage, name string, done, total int) Event {
	e := Event{Stage: stage, Name: name, Done: done, Total: total}
	stats := b.opts.Resolver.Stats()
	before := b.images.before
	e.Requests = stats.Heads + stats.Gets + stats.Auths - before.Heads - before.Gets - before.Auths
	b.images.mu.Lock()
	defer b.images.mu.Unlock()
	if took := time.Since(b.images.began).Seconds(); e.Requests > 0 && took > 0 {
		e.PerSecond = float64(e.Requests) / took
	}
	for i, q := range stats.Quotas {
		if e.Quota == nil || q.Remaining < e.Quota.Remaining {
			e.Quota = &stats.Quotas[i]
		}
	}
	return e
}

// forget drops the answers of a run that came to its end: they are for runs that
// were interrupted, and the next one is to see what tags name by then.
func (b *builder) forget(r *Report) {
	if r.Postponed == 0 {
		b.opts.Resolver.Forget(slices.Sorted(maps.Keys(b.images.asked))...)
	}
}
