package deployer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"
)

// endsWithin bounds the wait for tasks to end, beside the longest of their stop grace
// periods.
const endsWithin = 2 * time.Minute

// graceOf is the longest time that one of the tasks may take to stop.
func graceOf(tasks []swarm.Task) (longest time.Duration) {
	for _, t := range tasks {
		if c := t.Spec.ContainerSpec; c != nil && c.StopGracePeriod != nil {
			longest = max(longest, *c.StopGracePeriod)
		}
	}
	return longest
}

// awaitEnded waits until no task of the services of those IDs runs or may still
// come to run, so that volumes, ports and networks are free. One that a node has
// accepted counts: it may yet set its network up, after swarm removed it. The
// services may be gone: their tasks are found by the stack's label, which tasks
// keep. A task whose container has ended counts as ended, also before swarm says so.
func (e *Engine) awaitEnded(ctx context.Context, stack string, services map[string]bool) error {
	return e.awaitTasks(ctx, stack, services, false)
}

// awaitGone is awaitEnded for services that nothing takes the place of: tasks on nodes
// that are down are not waited for. They end when their node is back, and nobody can
// tell before.
func (e *Engine) awaitGone(ctx context.Context, stack string, services map[string]bool) error {
	return e.awaitTasks(ctx, stack, services, true)
}

func (e *Engine) awaitTasks(ctx context.Context, stack string, services map[string]bool, passDown bool) error {
	began, within := time.Now(), endsWithin
	for look := 1; ; look++ {
		running, err := e.runningTasks(ctx, stack, services)
		within = max(within, endsWithin+graceOf(running))
		if err == nil && look%looksToNodes == 0 {
			running, err = e.passEnded(ctx, running)
		}
		if err == nil && passDown && look%looksToNodes == 0 {
			running, err = e.passDown(ctx, running)
		}
		if err != nil {
			return fmt.Errorf("waiting for tasks to end: %w", err)
		}
		if len(running) == 0 {
			return nil
		}
		if time.Since(began) > within {
			t := running[0]
			return fmt.Errorf("waiting for tasks to end: %d of them did not within %s; task %s of service %s is %s on node %s, and is to be %s",
				len(running), within, t.ID, t.ServiceID, t.Status.State, cmp.Or(t.NodeID, "(none)"), t.DesiredState)
		}
		if err := pause(ctx, lookAgain); err != nil {
			return err
		}
	}
}

// looksToNodes is how many looks pass between two at the nodes.
const looksToNodes = 10

// passDown leaves out the tasks on nodes that are down.
func (e *Engine) passDown(ctx context.Context, tasks []swarm.Task) ([]swarm.Task, error) {
	if len(tasks) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	nodes, err := e.api.NodeList(ctx, swarm.NodeListOptions{})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(tasks, func(t swarm.Task) bool {
		return slices.ContainsFunc(nodes, func(n swarm.Node) bool { return n.ID == t.NodeID && n.Status.State == swarm.NodeStateDown })
	}), nil
}

func (e *Engine) runningTasks(ctx context.Context, stack string, services map[string]bool) ([]swarm.Task, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	tasks, err := e.api.TaskList(ctx, swarm.TaskListOptions{Filters: byStack(stack)})
	tasks = slices.DeleteFunc(tasks, func(t swarm.Task) bool { return !services[t.ServiceID] || hasEnded(&t) || stranded(&t) })
	return tasks, err
}

// stranded tells a job's task that no node takes. Of a removed job Engine 20.10
// keeps it pending for ever, and no request removes it; a later engine does.
func stranded(t *swarm.Task) bool {
	return t.JobIteration != nil && t.NodeID == "" && t.Status.State == swarm.TaskStatePending
}

// sweepContainers waits until a node has no container of a stack any more
// that has no services left: while there is one its volumes cannot be removed.
// Engine 20.10 keeps the tasks of a removed job for ever, and their containers
// with them; so what has ended is removed here, and the node finds it done.
func sweepContainers(ctx context.Context, api *client.Client, stack string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	for {
		containers, err := api.ContainerList(ctx, container.ListOptions{All: true, Filters: byStack(stack)})
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
				_ = api.ContainerRemove(ctx, c.ID, container.RemoveOptions{})
			}
		}
		if err := pause(ctx, lookAgain); err != nil {
			return fmt.Errorf("waiting for containers to go: %w", err)
		}
	}
}
