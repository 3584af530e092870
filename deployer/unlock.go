package deployer

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/internal/fault"
)

// Locked is a stack's lock and journal as they stand.
type Locked struct {
	Stack string `json:"stack"`
	// Lock is nil when nobody holds one.
	Lock *HeldLock `json:"lock"`
	// Journal is nil when no deploy is under way or was left unfinished.
	Journal *OpenJournal `json:"journal"`
}

// HeldLock is a lock that stands, with what its holder shows of itself.
type HeldLock struct {
	Owner  string    `json:"owner"` // user@host
	Host   string    `json:"host"`
	PID    int       `json:"pid"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
	// Silent is how long the holder has not shown itself, by the manager's clock.
	Silent time.Duration `json:"silent_ns"`
	// Alive says that the holder showed itself lately and is no process of this
	// machine that is gone.
	Alive bool `json:"alive"`

	record swarm.Config
}

// OpenJournal is what a journal says of the deploy that wrote it.
type OpenJournal struct {
	Recipe string    `json:"recipe"`
	From   string    `json:"from"` // what would be put back, "" for nothing
	To     string    `json:"to"`
	By     string    `json:"by"`
	Since  time.Time `json:"since"`
}

// Locked reads a stack's lock and journal. It changes nothing.
func (e *Engine) Locked(ctx context.Context, stack string) (*Locked, error) {
	locked := &Locked{Stack: stack}
	locks, err := e.records(ctx, recordLock, stack)
	if err != nil {
		return nil, fmt.Errorf("reading the lock of stack %q: %w", stack, err)
	}
	if len(locks) > 0 {
		if locked.Lock, err = e.heldLock(ctx, locks[0]); err != nil {
			return nil, err
		}
	}
	journal, _, err := e.readJournal(ctx, stack)
	if err != nil {
		return nil, err
	}
	if journal != nil {
		locked.Journal = &OpenJournal{Recipe: journal.Recipe, From: journal.From, To: journal.To, By: journal.By, Since: journal.Since}
	}
	return locked, nil
}

func (e *Engine) heldLock(ctx context.Context, record swarm.Config) (*HeldLock, error) {
	var holder Holder
	if err := decodeRecord(record, &holder); err != nil {
		return nil, err
	}
	silent, err := e.silent(ctx, record)
	if err != nil {
		return nil, err
	}
	_, host, _ := strings.Cut(holder.Owner, "@")
	return &HeldLock{
		Owner: holder.Owner, Host: host, PID: holder.PID, Reason: holder.Reason, Since: holder.Since,
		Silent: silent, Alive: silent < e.staleTime() && !holder.died(), record: record,
	}, nil
}

// Unlock takes a lock away that Locked found, and writes that into the stack's
// history. A holder that is alive, or has shown itself since Locked looked, keeps
// its lock without force: a deploy whose lock is taken away stops where it is.
// The record is removed by its ID, so a successor's lock stays.
func (e *Engine) Unlock(ctx context.Context, locked *Locked, force bool) error {
	lock := locked.Lock
	if lock == nil {
		return fault.New(fault.Unavailable, "stack %q is not locked", locked.Stack)
	}
	if !force {
		if err := e.mayUnlock(ctx, locked); err != nil {
			return err
		}
	}
	started := time.Now()
	if err := e.removeRecord(ctx, lock.record.ID); err != nil {
		return fmt.Errorf("unlocking stack %q: %w", locked.Stack, err)
	}
	record := Record{
		When: started.UTC().Truncate(time.Second), By: Operator(), Operation: OpUnlock, Verdict: Converged, State: StateNew,
		Reason: fmt.Sprintf("the lock of %s (%s) since %s was taken away", lock.Owner, lock.Reason, lock.Since.Format(time.DateTime)), Duration: time.Since(started),
	}
	if locked.Journal != nil {
		record.State = StateUnknown
	}
	if err := e.remember(context.WithoutCancel(ctx), locked.Stack, record); err != nil {
		return fmt.Errorf("the stack is unlocked, but: %w", err)
	}
	return nil
}

// mayUnlock refuses while the holder lives.
func (e *Engine) mayUnlock(ctx context.Context, locked *Locked) error {
	now, err := e.records(ctx, recordLock, locked.Stack)
	if err != nil {
		return fmt.Errorf("reading the lock of stack %q: %w", locked.Stack, err)
	}
	lock := locked.Lock
	if len(now) == 0 || now[0].ID != lock.record.ID {
		return fault.New(fault.Unavailable, "the lock of stack %q is another one by now; nothing was changed", locked.Stack)
	}
	if lock.Alive || now[0].Version.Index != lock.record.Version.Index {
		err := fault.New(fault.Unavailable, "%s holds the lock of stack %q and is alive; nothing was changed", lock.Owner, locked.Stack)
		return fault.Hint(err, "ask them, or wait; --force takes the lock away, and their deploy stops where it is")
	}
	return nil
}
