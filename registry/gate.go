package registry

import (
	"context"
	"sync"
	"time"
)

// maxWait is the longest a single wait for a registry may be. A registry that
// asks for more is reported as rate limited at once.
const maxWait = 2 * time.Minute

// gate bounds the requests in flight to one host, and closes for as long as
// the host asked to be left alone.
type gate struct {
	slots chan struct{}

	mu    sync.Mutex
	until time.Time
}

func newGate(slots int) *gate { return &gate{slots: make(chan struct{}, slots)} }

// enter waits until a request may be sent and returns what to call after its
// answer was read. It gives up at once with a *limitError when the host asked
// for a wait that is too long or outlasts ctx.
func (g *gate) enter(ctx context.Context) (release func(), err error) {
	for {
		if err := g.waitOpen(ctx); err != nil {
			return nil, err
		}
		select {
		case g.slots <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if g.closedFor() <= 0 {
			return func() { <-g.slots }, nil
		}
		// Closed while this request waited for its slot.
		<-g.slots
	}
}

func (g *gate) waitOpen(ctx context.Context) error {
	for wait := g.closedFor(); wait > 0; wait = g.closedFor() {
		if !fits(ctx, wait) {
			return &limitError{after: wait}
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
	return nil
}

func (g *gate) closedFor() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Until(g.until)
}

// closeFor keeps every further request to the host back for d.
func (g *gate) closeFor(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until := time.Now().Add(d); until.After(g.until) {
		g.until = until
	}
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
