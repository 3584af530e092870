package deployer

import (
	"context"
	"slices"

	"github.com/docker/docker/api/types/swarm"
)

// heldLooks is how many looks in a row an update must have nothing left to do, before
// it is asked what holds it up.
const heldLooks = 10

// isHeld tells an update that swarm will not end because a node went down while it ran:
// its updater waits for the old task there, for as long as the node is away. Every slot
// runs the new spec by then, elsewhere; so the update is over for whoever watches it.
func (w *watch) isHeld(ctx context.Context, o Observation, p Progress) bool {
	u, id := o.Service.UpdateStatus, o.Service.ID
	if p.Phase != Starting || p.Running < p.Slots || p.Slots == 0 || u == nil || u.State != swarm.UpdateStateUpdating {
		delete(w.held, id)
		return false
	}
	if w.held == nil {
		w.held = map[string]int{}
	}
	w.held[id]++
	if w.held[id] < heldLooks {
		return false
	}
	all, err := w.engine.api.TaskList(ctx, swarm.TaskListOptions{Filters: newFilter("service", []string{id})})
	if err != nil {
		return false
	}
	old := slices.DeleteFunc(all, func(t swarm.Task) bool {
		return hasEnded(&t) || slices.ContainsFunc(o.Tasks, func(mine swarm.Task) bool { return mine.ID == t.ID && isUp(&t, false) })
	})
	count := len(old)
	left, err := w.engine.passDown(ctx, old)
	return err == nil && count > 0 && len(left) == 0
}

// updateOver is the status of an update that has nothing left to do.
func updateOver(u *swarm.UpdateStatus) *swarm.UpdateStatus {
	over := *u
	over.State = swarm.UpdateStateCompleted
	return &over
}
