package deployer

import (
	"context"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/swarm"
)

// endsWithin bounds the wait for tasks to end: a stop grace period of minutes is
// a recipe's good right.
const endsWithin = 2 * time.Minute

// awaitEnded waits until no task of the services of those IDs runs or may still
// come to run, so that volumes, ports and networks are free. One that a node has
// accepted counts: it may yet set its network up, after swarm removed it. The
// services may be gone: their tasks are found by the stack's label, which tasks
// keep.
func (e *Engine) awaitEnded(ctx context.Context, stack string, services map[string]bool) error {
	deadline := time.Now().Add(endsWithin)
	for {
		running, err := e.runningTasks(ctx, stack, services)
		if err != nil {
			return fmt.Errorf("waiting for tasks to end: %w", err)
		}
		if running == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waiting for tasks to end: %d of them did not within %s", running, endsWithin)
		}
		if err := pause(ctx, lookAgain); err != nil {
			return err
		}
	}
}

func (e *Engine) runningTasks(ctx context.Context, stack string, services map[string]bool) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	tasks, err := e.api.TaskList(ctx, swarm.TaskListOptions{Filters: byStack(stack)})
	count := 0
	for i := range tasks {
		if services[tasks[i].ServiceID] && !hasEnded(&tasks[i]) && !stranded(&tasks[i]) {
			count++
		}
	}
	return count, err
}

// stranded tells a job's task that no node takes. Of a removed job Engine 20.10
// keeps it pending for ever, and no request removes it; a later engine does.
func stranded(t *swarm.Task) bool {
	return t.JobIteration != nil && t.NodeID == "" && t.Status.State == swarm.TaskStatePending
}

// sweepContainers waits until this node has no container of a stack any more
// that has no services left: while there is one its volumes cannot be removed.
// Engine 20.10 keeps the tasks of a removed job for ever, and their containers
// with them; so what has ended is removed here, and the node finds it done.
// Containers on other nodes are theirs.
func (e *Engine) sweepContainers(ctx context.Context, stack string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	for {
		containers, err := e.api.ContainerList(ctx, container.ListOptions{All: true, Filters: byStack(stack)})
		if err != nil {
			return fmt.Errorf("waiting for containers to go: %w", err)
		}
		if len(containers) == 0 {
			return nil
		}
		for _, c := range containers {
			if c.State != container.StateRunning {
				// An error is the node's own removal that came first, or shows
				// at the next look.
				_ = e.api.ContainerRemove(ctx, c.ID, container.RemoveOptions{})
			}
		}
		if err := pause(ctx, lookAgain); err != nil {
			return fmt.Errorf("waiting for containers to go: %w", err)
		}
	}
}
