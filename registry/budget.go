package registry

import (
	"errors"
	"sync/atomic"
)

// ErrBudget means that Options.MaxRequests are used up.
var ErrBudget = errors.New("the requests allowed for this run are used up")

// budget bounds the requests that are sent.
type budget struct {
	most  int64 // 0: no bound
	spent atomic.Int64
}

// Allowed is how many requests may still be sent; bounded is false when there is
// no bound (Options.MaxRequests).
func (r *Resolver) Allowed() (left int64, bounded bool) {
	b := &r.wire.budget
	return max(0, b.most-b.spent.Load()), b.most > 0
}

// take counts a request that is about to be sent, or refuses it.
func (b *budget) take() error {
	for {
		spent := b.spent.Load()
		if b.most > 0 && spent >= b.most {
			return ErrBudget
		}
		if b.spent.CompareAndSwap(spent, spent+1) {
			return nil
		}
	}
}
