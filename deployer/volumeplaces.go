package deployer

import (
	"context"
	"fmt"
	"slices"

	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/internal/fault"
)

// VolumePlace is a node that has a volume, and what it says of it.
type VolumePlace struct {
	NodeID, Node, Driver string
	Labels, Options      map[string]string
	// Used says that a task which runs there mounts it.
	Used bool
}

// VolumePlaces finds where volumes are: by name, their nodes sorted by host name. A node
// that cannot be asked is an error when a running task of the stack mounts a volume there,
// for that one is then the volume that counts.
func (e *Engine) VolumePlaces(ctx context.Context, stack *Stack) (map[string][]VolumePlace, error) {
	nodes, err := e.lookOnNodes(ctx, stack.Name)
	if err != nil {
		return nil, err
	}
	used, err := e.volumesInUse(ctx, stack)
	if err != nil {
		return nil, err
	}
	places := map[string][]VolumePlace{}
	for _, n := range nodes {
		if n.api == nil && len(used[n.id]) > 0 {
			err := fault.New(fault.Unavailable, "volume %q is in use on node %q, which cannot be reached: %s", used[n.id][0], n.name, e.notReached(n.name))
			return nil, fault.Hint(err, "name a way to it in servers/%s/nodes, or wait until it is up", e.Server)
		}
		for _, v := range n.volumes {
			place := VolumePlace{NodeID: n.id, Node: n.name, Driver: v.Driver, Labels: v.Labels, Options: v.Options, Used: slices.Contains(used[n.id], v.Name)}
			places[v.Name] = append(places[v.Name], place)
		}
	}
	return places, nil
}

// volumesInUse are the volumes that the stack's running tasks mount, by node ID.
func (e *Engine) volumesInUse(ctx context.Context, stack *Stack) (map[string][]string, error) {
	used := map[string][]string{}
	if len(stack.Services) == 0 {
		return used, nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	tasks, err := e.tasksOf(ctx, stack)
	if err != nil {
		return nil, fmt.Errorf("reading the tasks of stack %q: %w", stack.Name, err)
	}
	for _, t := range tasks {
		if t.NodeID != "" && t.DesiredState == swarm.TaskStateRunning && !hasEnded(&t) {
			used[t.NodeID] = append(used[t.NodeID], VolumesOf(swarm.ServiceSpec{TaskTemplate: t.Spec})...)
		}
	}
	return used, nil
}

// VolumesOutOfReach are the volumes that the stack's tasks, ended ones among them, mount
// on nodes that cannot be asked, with an error each that says why. Data that counts may be
// there although a volume of the name is elsewhere, too.
func (e *Engine) VolumesOutOfReach(ctx context.Context, stack *Stack) (map[string]error, error) {
	nodes, err := e.lookOnNodes(ctx, stack.Name)
	if err != nil {
		return nil, err
	}
	notAsked, err := e.volumesNotAsked(ctx, stack, nodes)
	if err != nil {
		return nil, err
	}
	out := map[string]error{}
	for _, v := range notAsked {
		err := fault.New(fault.Unavailable, "volume %q is on node %q, which cannot be reached: %s", v.Volume, v.Node, e.notReached(v.Node))
		out[v.Volume] = fault.Hint(err, "name a way to it in servers/%s/nodes, or wait until it is up", e.Server)
	}
	return out, nil
}
