package catalogue

import (
	"errors"
	"fmt"
	"os"

	"github.com/gofrs/flock"

	"github.com/galley-coop/galley/internal/fault"
)

// lockFolder keeps other galleys from writing to a folder until unlock. The
// folder itself is locked, so that no file is left in it or beside it; the lock
// goes with the process, however that ends.
func lockFolder(folder string) (unlock func() error, err error) {
	lock := flock.New(folder, flock.SetFlag(os.O_RDONLY))
	held, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("locking %q: %w", folder, err)
	}
	if !held {
		err := fault.New(fault.Unavailable, "another galley writes to %q", folder)
		return nil, errors.Join(fault.Hint(err, "try again when it is done"), lock.Close())
	}
	return lock.Unlock, nil
}
