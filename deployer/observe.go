package deployer

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/catalogue"
)

// Observed is what a look at the running stack found.
type Observed struct {
	// Containers counts the running containers whose image was compared with
	// the entry, Requested those on nodes this connection cannot look into: for
	// them only the stored spec speaks.
	Containers int `json:"containers"`
	Requested  int `json:"requested"`
	// Problems are what is not as the entry says, one line each.
	Problems []string `json:"problems"`
	// Dropped are wanted fields that the engine did not store: it is older than
	// the recipe expects.
	Dropped []string `json:"dropped"`

	current *Stack // what was compared
}

// Observe compares three things that must agree: the wanted stack, the specs
// the swarm stores, and the containers that run. It changes nothing.
func (e *Engine) Observe(ctx context.Context, desired *Desired) (Observed, error) {
	return e.observe(ctx, desired, false)
}

// observe is Observe; written says that the wanted specs were written this very
// moment and under the lock.
func (e *Engine) observe(ctx context.Context, desired *Desired, written bool) (Observed, error) {
	o := Observed{Problems: []string{}, Dropped: []string{}}
	current, err := e.Current(ctx, desired.Stack.Name, desired.Stack)
	if err != nil {
		return o, err
	}
	o.current = current
	desired = desired.against(current)
	done := *desired
	done.Restart = nil // it is over
	plan, err := NewPlan(&done, current)
	if err != nil {
		return o, err
	}
	o.Dropped = append(o.Dropped, droppedWarnings(desired.Stack, current.API)...)
	for _, change := range plan.Changes {
		o.addDrift(change, written)
	}
	if err := e.observeContainers(ctx, desired, current, &o); err != nil {
		return o, fmt.Errorf("looking at the running containers: %w", err)
	}
	return o, nil
}

// addDrift tells a field that the engine dropped from one that someone changed.
// A field that was written this moment and is not there at all was dropped;
// later, someone may have taken it away.
func (o *Observed) addDrift(change Change, written bool) {
	switch change.Action {
	case Keep:
		return
	case Create:
		o.Problems = append(o.Problems, fmt.Sprintf("%s %s is missing", change.Kind, change.Name))
		return
	case Remove:
		o.Problems = append(o.Problems, fmt.Sprintf("%s %s is not in the entry", change.Kind, change.Name))
		return
	}
	for _, field := range change.Fields {
		if field.Old == "" && written {
			o.Dropped = append(o.Dropped, fmt.Sprintf("%s %s: %s", change.Kind, change.Name, field.Path))
			continue
		}
		o.Problems = append(o.Problems, fmt.Sprintf("%s %s: %s is %s, the entry says %s", change.Kind, change.Name, field.Path, orNone(field.Old), orNone(field.New)))
	}
}

func orNone(value string) string { return cmp.Or(value, "(none)") }

// looks is how often containers are looked at, when some ended between the
// listing of their tasks and the look.
const looks = 5

func (e *Engine) observeContainers(ctx context.Context, desired *Desired, current *Stack, o *Observed) error {
	if len(current.Services) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	problems := o.Problems
	for range looks {
		o.Containers, o.Requested, o.Problems = 0, 0, slices.Clone(problems)
		missed, err := e.lookAtContainers(ctx, desired, current, o)
		if err != nil || missed == 0 {
			return err
		}
		if err := pause(ctx, lookAgain); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) lookAtContainers(ctx context.Context, desired *Desired, current *Stack, o *Observed) (missed int, err error) {
	tasks, err := e.tasksOf(ctx, current)
	if err != nil {
		return 0, err
	}
	names := map[string]string{}
	for name, s := range current.Services {
		names[s.ID] = name
	}
	for _, task := range tasks {
		image, ok := desired.Images[names[task.ServiceID]]
		status := task.Status.ContainerStatus
		if !ok || task.Status.State != swarm.TaskStateRunning || task.DesiredState != swarm.TaskStateRunning || status == nil {
			continue
		}
		if task.NodeID != e.NodeID {
			o.Requested++
			continue
		}
		inspected, err := e.api.ContainerInspect(ctx, status.ContainerID)
		switch {
		case errdefs.IsNotFound(err):
			missed++
		case err != nil:
			return missed, err
		case !vouched(image, inspected.Image):
			o.Problems = append(o.Problems, fmt.Sprintf("service %s runs image %s, which the entry does not vouch for", names[task.ServiceID], inspected.Image))
			fallthrough
		default:
			o.Containers++
		}
	}
	return missed, nil
}

// vouched tells whether an engine's image ID is one of the entry's. Engines
// with the classic store call an image by its config digest, those with
// containerd's by the digest of the manifest or the index.
func vouched(image catalogue.Image, id string) bool {
	if id == "" {
		return false
	}
	if id == image.Digest {
		return true
	}
	for _, p := range image.Platforms {
		if id == p.Config || id == p.Manifest {
			return true
		}
	}
	return false
}
