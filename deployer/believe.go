package deployer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"
)

// believe asks the nodes' own engines whether the containers of what is settled still
// run, once all services are, and takes back what swarm has not heard of yet: managers
// of busy machines were seen to list a task as running for five seconds and more after
// its container had ended (Engine 20.10), in which a service that dies at once looks
// well. Containers on nodes that cannot be asked are believed in.
func (w *watch) believe(ctx context.Context, progress map[string]Progress) error {
	running := map[string][]string{} // container IDs by node
	for _, p := range progress {
		if p.Phase != Settled {
			return nil // nothing is concluded yet
		}
		for _, t := range p.Live {
			if c := t.Status.ContainerStatus; t.Status.State == swarm.TaskStateRunning && c != nil && c.ContainerID != "" {
				running[t.NodeID] = append(running[t.NodeID], c.ContainerID)
			}
		}
	}
	over, err := w.engine.endedAmong(ctx, running)
	if err != nil {
		return err
	}
	for name, p := range progress {
		for _, t := range p.Live {
			if c := t.Status.ContainerStatus; c != nil && over[c.ContainerID] != "" {
				p.Phase, p.Running = Starting, p.Running-1
				p.Waiting = fmt.Sprintf("its container %s, and swarm lists the task as running still", over[c.ContainerID])
			}
		}
		progress[name] = p
	}
	return nil
}

// endedAmong tells of containers, listed by node, which do not do what swarm says they
// do, and what they do instead: hasEndedSays, or that it is ill.
func (e *Engine) endedAmong(ctx context.Context, running map[string][]string) (map[string]string, error) {
	if err := e.connect(ctx, running); err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var failed error
	over := map[string]string{}
	var asking sync.WaitGroup
	for node, ids := range running {
		api := e.at(node)
		if api == nil {
			continue
		}
		asking.Go(func() {
			states, err := statesOf(ctx, api, ids)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil && node == e.NodeID && len(e.fleet.ways) == 0:
				failed = err
			case err == nil:
				for _, id := range ids {
					if what := states[id]; what != "" {
						over[id] = what
					}
				}
			}
		})
	}
	asking.Wait()
	return over, failed
}

// connect connects the nodes' own engines, where containers run elsewhere and there
// are ways to go.
func (e *Engine) connect(ctx context.Context, running map[string][]string) error {
	if len(e.fleet.ways) == 0 {
		return nil
	}
	for node := range running {
		if e.at(node) == nil {
			_, err := e.survey(ctx)
			return err
		}
	}
	return nil
}

// statesOf asks an engine for containers in one request; what is "" may run and, with a
// health check, is not known to be ill. Swarm ends a container at the first word that it
// is unhealthy.
func statesOf(ctx context.Context, api *client.Client, ids []string) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, nodeTimeout)
	defer cancel()
	listed, err := api.ContainerList(ctx, container.ListOptions{All: true, Filters: newFilter("id", ids)})
	if err != nil {
		return nil, err
	}
	states := map[string]string{}
	for _, id := range ids {
		states[id] = hasEndedSays // one that is removed is not listed
	}
	for _, c := range listed {
		switch {
		case c.State == container.StateExited || c.State == container.StateDead || c.State == container.StateRemoving:
		case strings.Contains(c.Status, "("+container.Unhealthy+")"):
			states[c.ID] = "is unhealthy"
		default:
			states[c.ID] = ""
		}
	}
	return states, nil
}

const hasEndedSays = "has ended"

// passEnded leaves out the tasks that swarm wants ended and whose containers have, by the
// word of their nodes' own engines. What cannot be asked stays.
func (e *Engine) passEnded(ctx context.Context, tasks []swarm.Task) ([]swarm.Task, error) {
	ending := map[string][]string{}
	for _, t := range tasks {
		if c := t.Status.ContainerStatus; t.DesiredState != swarm.TaskStateRunning && c != nil && c.ContainerID != "" {
			ending[t.NodeID] = append(ending[t.NodeID], c.ContainerID)
		}
	}
	over, err := e.endedAmong(ctx, ending)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(tasks, func(t swarm.Task) bool {
		c := t.Status.ContainerStatus
		return t.DesiredState != swarm.TaskStateRunning && c != nil && over[c.ContainerID] == hasEndedSays
	}), nil
}
