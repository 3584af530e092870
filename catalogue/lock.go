package catalogue

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/gofrs/flock"

	"github.com/galley-coop/galley/internal/fault"
)

// lockWait is how long one that writes to a folder waits for another, and
// lockRetry how often it looks.
const (
	lockWait  = time.Minute
	lockRetry = 20 * time.Millisecond
)

// lockFolder lets one process at a time write to a folder: two that read the same
// timestamp would both sign the next one. The folder itself is locked, so that no
// file is left in it or beside it; the lock goes with the process, however that
// ends.
func lockFolder(ctx context.Context, folder string) (unlock func() error, err error) {
	lock := flock.New(folder, flock.SetFlag(os.O_RDONLY))
	limited, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	if _, err := lock.TryLockContext(limited, lockRetry); err != nil {
		if ctx.Err() != nil {
			return nil, errors.Join(ctx.Err(), lock.Close())
		}
		err = fault.Wrap(fault.Unavailable, fmt.Errorf("waiting for another galley that writes to %q: %w", folder, err))
		return nil, errors.Join(fault.Hint(err, "try again when it is done"), lock.Close())
	}
	return lock.Unlock, nil
}
