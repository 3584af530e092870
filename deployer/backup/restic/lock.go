package restic

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

// lockPause is how long after a try that met a lock the next one comes.
const lockPause = 3 * time.Second

// lockTry counts the tries of one request.
type lockTry struct {
	r     *Repository
	begun time.Time // when a lock was met first
	told  bool
}

// again decides whether a request that failed with err is made once more, and waits
// until then. Locks whose holders are gone are removed each time: one that was killed
// is there for restic until its parent has heard of its end.
func (l *lockTry) again(ctx context.Context, err error) bool {
	if !Is(err, Locked) {
		return false
	}
	wait := cmp.Or(l.r.LockWait, defaultLockWait)
	if l.begun.IsZero() {
		l.begun = time.Now()
		if wait > 0 && l.r.Unlock(ctx) == nil {
			return true
		}
	}
	if time.Since(l.begun)+lockPause > wait {
		return false
	}
	if !l.told {
		l.told = true
		l.r.notify(fmt.Sprintf("%v; trying again for up to %v", err, wait))
	}
	pause := time.NewTimer(lockPause)
	defer pause.Stop()
	select {
	case <-pause.C:
		_ = l.r.Unlock(ctx) // the request tells what is wrong with the repository
		return true
	case <-ctx.Done():
		return false
	}
}

// retry makes a request until it meets no lock, or the wait for it is over.
func (r *Repository) retry(ctx context.Context, request func() error) error {
	try := lockTry{r: r}
	for {
		err := request()
		if err == nil || !try.again(ctx, err) {
			return err
		}
	}
}
