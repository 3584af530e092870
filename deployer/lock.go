package deployer

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/internal/fault"
)

// beatEvery is how often a lock's holder shows that it lives, staleAfter how
// long a lock without a beat is believed. Both clocks are the swarm's own.
const (
	beatEvery  = 5 * time.Second
	staleAfter = 30 * time.Second
)

// Holder is who holds a stack's lock.
type Holder struct {
	Owner   string    `json:"owner"` // user@host
	PID     int       `json:"pid"`
	Process string    `json:"process"` // processMark, "" when the system has none
	Reason  string    `json:"reason"`
	Since   time.Time `json:"since"`
	Token   string    `json:"token"` // tells two locks of one process apart
}

// Operator is who runs this process, for the lock and the history.
func Operator() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return name + "@" + host
}

// Lock is a held lock. Lost tells when it is not held any more.
type Lock struct {
	engine *Engine
	id     string
	stop   context.CancelFunc
	done   chan struct{}

	mu   sync.Mutex
	lost error
}

// beatInterval and staleTime are the engine's own, or the constants.
func (e *Engine) beatInterval() time.Duration { return cmp.Or(e.beatEvery, beatEvery) }
func (e *Engine) staleTime() time.Duration    { return cmp.Or(e.staleAfter, staleAfter) }

// Lock takes a stack's lock, or fails with who holds it. A lock whose holder
// has not shown itself for staleAfter, or was a process of this machine that is
// gone, is taken over, and takeover says whose it was.
func (e *Engine) Lock(ctx context.Context, stack, reason string) (lock *Lock, takeover string, err error) {
	holder := Holder{Owner: Operator(), PID: os.Getpid(), Process: processMark(), Reason: reason, Since: time.Now().UTC().Truncate(time.Second), Token: rand.Text()}
	data, err := json.Marshal(holder)
	if err != nil {
		return nil, "", err
	}
	for range 3 {
		if err := ctx.Err(); err != nil {
			return nil, "", fmt.Errorf("locking stack %q: %w", stack, err)
		}
		id, err := e.createRecord(ctx, recordLock, stack, "", data, map[string]string{labelBeat: "0"})
		if err == nil {
			return e.keepLock(id), takeover, nil
		}
		if !isNameTaken(err) {
			return nil, "", fmt.Errorf("locking stack %q: %w", stack, err)
		}
		if takeover, err = e.clearStale(ctx, stack); err != nil {
			return nil, "", err
		}
	}
	return nil, "", fault.New(fault.Unavailable, "locking stack %q: others keep taking the lock", stack)
}

// isNameTaken tells the engine's answer to a second object of one name: 409, and for
// a network 403 with that text, in Engine 20.10 as in 28.
func isNameTaken(err error) bool {
	return errdefs.IsConflict(err) || errdefs.IsAlreadyExists(err) ||
		errdefs.IsPermissionDenied(err) && strings.Contains(err.Error(), "already exists")
}

// clearStale removes the lock of a holder that is gone. A holder that lives is
// an error that names it. Of two who see the same stale lock one removes it and
// the other removes nothing, because both do it by ID.
func (e *Engine) clearStale(ctx context.Context, stack string) (whose string, err error) {
	locks, err := e.records(ctx, recordLock, stack)
	if err != nil {
		return "", fmt.Errorf("locking stack %q: %w", stack, err)
	}
	if len(locks) == 0 { // released meanwhile
		return "", nil
	}
	lock := locks[0]
	var holder Holder
	if err := decodeRecord(lock, &holder); err != nil {
		return "", err
	}
	beating, err := e.beats(ctx, lock)
	if err != nil {
		return "", err
	}
	if beating && !holder.died() {
		err := fmt.Errorf("stack %q is locked by %s since %s, for %s", stack, holder.Owner, holder.Since.Format(time.DateTime), holder.Reason)
		return "", fault.Hint(err, "wait until it is done; a lock whose holder is gone is taken over after %s, and galley app unlock takes one away", e.staleTime())
	}
	return holder.Owner, e.removeRecord(ctx, lock.ID)
}

// beats tells whether a lock's holder still lives. A lock that was changed
// within staleAfter on the manager's clock does; the manager's clock is read
// from the engine, so that the operator's may be wrong.
func (e *Engine) beats(ctx context.Context, lock swarm.Config) (bool, error) {
	silent, err := e.silent(ctx, lock)
	return silent < e.staleTime(), err
}

// silent is how long a lock has not been moved, by the manager's clock.
func (e *Engine) silent(ctx context.Context, lock swarm.Config) (time.Duration, error) {
	now, err := e.swarmTime(ctx)
	if err != nil {
		return 0, err
	}
	return max(now.Sub(lock.UpdatedAt), 0), nil
}

func (e *Engine) keepLock(id string) *Lock {
	ctx, stop := context.WithCancel(context.Background())
	l := &Lock{engine: e, id: id, stop: stop, done: make(chan struct{})}
	go l.beat(ctx)
	return l
}

// beat moves the lock's counter until the lock is released or lost. The label
// update names the version it read, so a lock that was taken over is noticed.
func (l *Lock) beat(ctx context.Context) {
	defer close(l.done)
	ticker := time.NewTicker(l.engine.beatInterval())
	defer ticker.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		// Any other error is an engine out of reach: what counts is whether the
		// record is there when it is back, and Check asks for that.
		if err := l.move(ctx, n); err != nil && ctx.Err() == nil && errdefs.IsNotFound(err) {
			l.lose()
			return
		}
	}
}

func (l *Lock) move(ctx context.Context, n int) error {
	// A beat that hangs must not keep the next one from coming in time.
	ctx, cancel := context.WithTimeout(ctx, l.engine.staleTime()/3)
	defer cancel()
	config, _, err := l.engine.api.ConfigInspectWithRaw(ctx, l.id)
	if err != nil {
		return err
	}
	if config.Spec.Labels == nil {
		config.Spec.Labels = map[string]string{}
	}
	config.Spec.Labels[labelBeat] = strconv.Itoa(n)
	return l.engine.api.ConfigUpdate(ctx, l.id, config.Version, config.Spec)
}

// errLockLost says that another took the lock over, or removed it.
var errLockLost = errors.New("the stack's lock was taken away: its record is gone")

func (l *Lock) lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost = errLockLost
}

// Check fails when the lock is not held any more. It asks the swarm, so that
// nothing is written on the strength of a memory.
func (l *Lock) Check(ctx context.Context) error {
	l.mu.Lock()
	lost := l.lost
	l.mu.Unlock()
	if lost != nil {
		return lost
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if _, _, err := l.engine.api.ConfigInspectWithRaw(ctx, l.id); err != nil {
		if errdefs.IsNotFound(err) {
			l.lose()
			return errLockLost
		}
		return fmt.Errorf("checking the lock: %w", err)
	}
	return nil
}

// Release gives the lock back. It removes the record by ID, so a successor's
// lock stays.
func (l *Lock) Release(ctx context.Context) error {
	l.stop()
	<-l.done
	return l.engine.removeRecord(context.WithoutCancel(ctx), l.id)
}
