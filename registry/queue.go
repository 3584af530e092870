package registry

import (
	"context"
	"slices"
)

// queue is who waits for a slot of a gate. The reference that was begun first
// goes first: when a limit or a budget ends a run, few are left half-done.
type queue []*waiter

// waiter is one request that waits.
type waiter struct {
	order int
	turn  chan struct{} // closed when it may try again
}

func (q *queue) add(order int) *waiter {
	w := &waiter{order, make(chan struct{})}
	*q = append(*q, w)
	return w
}

// wake lets the first n try again.
func (q *queue) wake(n int) {
	for ; n > 0 && len(*q) > 0; n-- {
		first := slices.MinFunc(*q, func(a, b *waiter) int { return a.order - b.order })
		q.remove(first)
		close(first.turn)
	}
}

// remove tells whether the waiter was still waiting.
func (q *queue) remove(w *waiter) bool {
	at := slices.Index(*q, w)
	if at < 0 {
		return false
	}
	*q = slices.Delete(*q, at, at+1)
	return true
}

type orderKey struct{}

// withOrder says which one of many references the requests are for.
func withOrder(ctx context.Context, order int) context.Context {
	return context.WithValue(ctx, orderKey{}, order)
}

func orderOf(ctx context.Context) int {
	order, _ := ctx.Value(orderKey{}).(int)
	return order
}
