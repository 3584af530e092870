package deployer

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/internal/fault"
)

// Restoring is a restore of a stack's volumes that is under way, or was left, as the
// swarm remembers it: while there is one nothing is deployed on its volumes.
type Restoring struct {
	Stack string    `json:"stack"`
	Run   string    `json:"run"` // of the backup
	By    string    `json:"by"`
	Since time.Time `json:"since"`
	// Kept are the copies of what the volumes held before.
	Kept []KeptVolume `json:"kept"`
	// Made are volumes that were not there before, by name.
	Made []string `json:"made"`
	RestoredBeside

	// Writing says that the copies are whole, and that volumes may hold half of the
	// backup since. Before that the volumes are as they were.
	Writing bool `json:"-"`

	engine *Engine
	id     string
}

// RestoredBeside is what a restore writes beside volumes, so that whoever undoes it knows.
type RestoredBeside struct {
	// Secrets are those that it makes, by their names on the swarm.
	Secrets []string `json:"secrets"`
	// Env is where the env file that stood is kept, a name beside it; "" when it stays.
	Env string `json:"env"`
	// EnvMade says that there was none.
	EnvMade bool `json:"env_made"`
}

// labelPhase tells how far a restore came: a record's body cannot be changed.
const (
	labelPhase   = "galley.phase"
	phaseKeeping = "keeping"
	phaseWriting = "writing"
	phaseDone    = "done" // what is left of it is to be removed
)

// BeginRestore writes down what a restore is about to do, under the stack's lock. One
// that stands already is an error: Restoring gives it.
func (e *Engine) BeginRestore(ctx context.Context, h *Hold, run string, kept []KeptVolume, made []string, beside RestoredBeside) (*Restoring, error) {
	if err := h.lock.Check(ctx); err != nil {
		return nil, err
	}
	r := &Restoring{
		Stack: h.stack, Run: run, By: Operator(), Since: time.Now().UTC().Truncate(time.Second), Kept: kept, Made: made, RestoredBeside: beside, engine: e,
	}
	data, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	r.id, err = e.createRecord(ctx, recordRestore, h.stack, "", data, map[string]string{labelPhase: phaseKeeping})
	if err != nil {
		return nil, fmt.Errorf("noting the restore on the swarm: %w", err)
	}
	return r, nil
}

// Restoring is a stack's restore that did not end, nil for none.
func (e *Engine) Restoring(ctx context.Context, stack string) (*Restoring, error) {
	r, done, err := e.readRestoring(ctx, stack)
	if done {
		return nil, err
	}
	return r, err
}

// readRestoring is Restoring; of one that is done its record may have been left.
func (e *Engine) readRestoring(ctx context.Context, stack string) (r *Restoring, done bool, err error) {
	records, err := e.records(ctx, recordRestore, stack)
	if err != nil {
		return nil, false, fmt.Errorf("looking for an unfinished restore: %w", err)
	}
	if len(records) == 0 {
		return nil, false, nil
	}
	r = &Restoring{engine: e, id: records[0].ID}
	if err := decodeRecord(records[0], r); err != nil {
		return nil, false, err
	}
	phase := records[0].Spec.Labels[labelPhase]
	r.Writing = phase == phaseWriting
	return r, phase == phaseDone, nil
}

// settleRestoring ends, under the stack's lock, a restore that was done when its galley
// died, and is the error for one that was not, unless takeover says that it may stand.
func (e *Engine) settleRestoring(ctx context.Context, stack string, takeover bool) error {
	r, done, err := e.readRestoring(ctx, stack)
	switch {
	case err != nil:
		return err
	case done:
		return r.forget(ctx)
	case r != nil && !takeover:
		return r.Unfinished()
	}
	return nil
}

// Unfinished is the error for who meets a restore that did not end.
func (r *Restoring) Unfinished() error {
	err := fault.New(fault.Unavailable, "a restore of run %s by %s since %s did not end: the volumes may hold half of it", r.Run, r.By, r.Since.Format(time.DateTime))
	return fault.Hint(err, "galley app restore does it again with that run, galley app restore --undo goes back to what was before")
}

// Write notes that the copies are whole and that volumes are about to be written. The
// lock must be held.
func (r *Restoring) Write(ctx context.Context, h *Hold) error {
	if err := r.enter(ctx, h, phaseWriting); err != nil {
		return fmt.Errorf("noting on the swarm that volumes are about to be written: %w", err)
	}
	r.Writing = true
	return nil
}

func (r *Restoring) enter(ctx context.Context, h *Hold, phase string) error {
	if err := h.lock.Check(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	config, _, err := r.engine.api.ConfigInspectWithRaw(ctx, r.id)
	if err != nil {
		return err
	}
	spec := config.Spec
	spec.Labels = map[string]string{labelRecord: string(recordRestore), labelStack: r.Stack, labelPhase: phase}
	return r.engine.api.ConfigUpdate(ctx, r.id, swarm.Version{Index: config.Version.Index}, spec)
}

// Done ends a restore whose app runs on what it brought back: what stood before is
// forgotten, and so is the restore. When galley dies meanwhile, or a part of it fails,
// the next who takes the stack's lock does the rest.
func (r *Restoring) Done(ctx context.Context, h *Hold) error {
	if err := r.enter(ctx, h, phaseDone); err != nil {
		return fmt.Errorf("noting the restore's end on the swarm: %w", err)
	}
	if err := r.forget(ctx); err != nil {
		return err
	}
	h.journalID, h.Stopped = "", nil
	return nil
}

// forget removes the journal of what stood before a restore, and then the restore.
func (r *Restoring) forget(ctx context.Context) error {
	_, id, err := r.engine.readJournal(ctx, r.Stack)
	if err == nil {
		err = r.engine.removeRecord(ctx, id)
	}
	if err != nil {
		return fmt.Errorf("forgetting what stood before the restore: %w", err)
	}
	return r.End(ctx)
}

// End forgets a restore that is undone: all is as before.
func (r *Restoring) End(ctx context.Context) error {
	if err := r.engine.removeRecord(context.WithoutCancel(ctx), r.id); err != nil {
		return fmt.Errorf("noting the restore's end on the swarm: %w", err)
	}
	return nil
}
