package registry

import (
	"context"
	"sync"
	"time"
)

const (
	// maxWait is the longest a single wait for a registry may be. A registry that
	// asks for more is reported as rate limited at once.
	maxWait = 2 * time.Minute
	// untold is how long a host is left alone that has had enough and does not
	// say for how long. It is longer than maxWait: nobody waits for it.
	untold = 10 * time.Minute
)

// gate bounds the requests in flight to one host, and closes for as long as
// the host asked to be left alone.
type gate struct {
	mu      sync.Mutex
	free    int // slots
	waiting queue
	until   time.Time
	// told is what the host said last, when heard; left is the estimate of what
	// remains while more requests are in flight.
	told     Quota
	heard    time.Time // zero: nothing
	left     int64
	inFlight int // of those that are counted
}

// pass is the leave to send one request.
type pass struct {
	g       *gate
	sent    time.Time
	counted bool
}

func newGate(slots int) *gate { return &gate{free: slots} }

// enter waits until a request may be sent and returns its pass, to be handed
// back after its answer was read. It gives up at once with a *limitError when
// the host asked for a wait that is too long or outlasts ctx. Pull tells that
// the request is a GET of a manifest.
func (g *gate) enter(ctx context.Context, pull bool) (*pass, error) {
	for {
		if err := g.waitOpen(ctx, pull); err != nil {
			return nil, err
		}
		p, w := g.admit(pull, orderOf(ctx))
		switch {
		case p != nil:
			return p, nil
		case w == nil:
			continue // closed just now
		}
		select {
		case <-w.turn:
		case <-ctx.Done():
			g.giveUp(w)
			return nil, ctx.Err()
		}
	}
}

// admit gives a pass, or else a place in the queue: because all slots are taken,
// or because what is in flight may use the last of the quota. When the gate is
// closed it gives neither.
func (g *gate) admit(pull bool, order int) (*pass, *waiter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if wait, _ := g.closed(pull); wait > 0 {
		return nil, nil
	}
	counted := g.counts(pull)
	if g.free == 0 || counted && g.left <= 0 && g.inFlight > 0 {
		return nil, g.waiting.add(order)
	}
	g.free--
	if counted {
		g.left--
		g.inFlight++
	}
	return &pass{g: g, sent: time.Now(), counted: counted}, nil
}

// giveUp leaves the queue, and hands a turn on that came at the same moment.
func (g *gate) giveUp(w *waiter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.waiting.remove(w) {
		g.waiting.wake(g.free)
	}
}

// counts tells whether a request uses a quota that is known.
func (g *gate) counts(pull bool) bool {
	return !g.heard.IsZero() && (pull || !g.told.Pulls)
}

// closed is for how long, and whether because the quota is used up.
func (g *gate) closed(pull bool) (time.Duration, bool) {
	wait, spent := time.Until(g.until), false
	if g.counts(pull) && g.told.Remaining == 0 {
		reset := g.told.Reset
		if reset.IsZero() {
			reset = g.heard.Add(untold)
		}
		if until := time.Until(reset); until > wait {
			wait, spent = until, true
		}
	}
	return wait, spent
}

func (g *gate) waitOpen(ctx context.Context, pull bool) error {
	for {
		g.mu.Lock()
		wait, spent := g.closed(pull)
		told := g.told
		if wait > 0 {
			// Whoever was woken does not take the slot: it is another's turn, and
			// when the gate is closed to all, all have to learn it.
			g.waiting.wake(g.free)
		}
		g.mu.Unlock()
		if wait <= 0 {
			return nil
		}
		if !fits(ctx, wait) && spent {
			return &limitError{after: told.wait(), spent: true, of: told.Limit}
		}
		if !fits(ctx, wait) {
			return &limitError{after: wait}
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// wait is the time until the reset, 0 when it is not known.
func (q Quota) wait() time.Duration {
	if q.Reset.IsZero() {
		return 0
	}
	return max(0, time.Until(q.Reset))
}

// closeFor keeps every further request to the host back for d.
func (g *gate) closeFor(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until := time.Now().Add(d); until.After(g.until) {
		g.until = until
	}
}

// hear takes in what an answer said about the quota.
func (p *pass) hear(q Quota) {
	g := p.g
	g.mu.Lock()
	defer g.mu.Unlock()
	if p.sent.Before(g.heard) {
		// Answers overtake each other; the lower number is the later one.
		q.Remaining = min(q.Remaining, g.told.Remaining)
	}
	others := g.inFlight
	if p.counted {
		others--
	}
	g.told, g.heard, g.left = q, time.Now(), q.Remaining-int64(others)
}

// back frees the slot.
func (p *pass) back() {
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	if p.counted {
		p.g.inFlight--
	}
	p.g.free++
	p.g.waiting.wake(p.g.free)
}

// quota is what the host said last, if it said anything.
func (g *gate) quota() (Quota, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.told, !g.heard.IsZero()
}

// fits tells whether a wait is worth beginning: it is not too long and ends
// before ctx does.
func fits(ctx context.Context, d time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return d <= maxWait && (!ok || time.Until(deadline) > d)
}

// sleep waits for d, or returns ctx's error when that ends first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
