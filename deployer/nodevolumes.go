package deployer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
)

// nodeVolumes is what a node's own engine tells of its volumes, all of them, and of a
// stack's containers.
type nodeVolumes struct {
	id, name   string
	api        *client.Client // nil where it could not be asked
	volumes    []*volume.Volume
	containers []string // IDs
}

// lookOnNodes asks every node of the swarm that can be reached, all at once. One that
// does not answer is listed without a connection; that the connected one does not is
// an error, unless the connection has moved. They are sorted by name.
func (e *Engine) lookOnNodes(ctx context.Context, stack string) ([]*nodeVolumes, error) {
	inSwarm, err := e.survey(ctx)
	if err != nil {
		return nil, err
	}
	var nodes []*nodeVolumes
	for id, n := range inSwarm {
		nodes = append(nodes, &nodeVolumes{id: id, name: cmp.Or(printable(n.Description.Hostname), id), api: e.at(id)})
	}
	errs := make([]error, len(nodes))
	var asking sync.WaitGroup
	for i, n := range nodes {
		if n.api != nil {
			asking.Go(func() { errs[i] = n.ask(ctx, stack, n.api == e.api) })
		}
	}
	asking.Wait()
	for i, n := range nodes {
		if errs[i] != nil && n.api == e.api {
			return nil, errs[i]
		}
		if errs[i] != nil {
			*n = nodeVolumes{id: n.id, name: n.name}
		}
	}
	slices.SortFunc(nodes, func(a, b *nodeVolumes) int { return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.id, b.id)) })
	return nodes, nil
}

func (n *nodeVolumes) ask(ctx context.Context, stack string, home bool) error {
	within := nodeTimeout
	if home {
		within = requestTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	listed, err := n.api.VolumeList(ctx, volume.ListOptions{})
	if err != nil {
		return fmt.Errorf("listing the volumes: %w", err)
	}
	n.volumes = listed.Volumes
	containers, err := n.api.ContainerList(ctx, container.ListOptions{All: true, Filters: byStack(stack)})
	if err != nil {
		return fmt.Errorf("listing the containers: %w", err)
	}
	for _, c := range containers {
		n.containers = append(n.containers, c.ID)
	}
	return nil
}

// own are the names of the stack's own volumes on the node, copies that restores kept
// among them, sorted.
func (n *nodeVolumes) own(stack string) []string {
	names := []string{}
	for _, v := range n.volumes {
		if v.Labels[NamespaceLabel] == stack || v.Labels[labelKept] == stack {
			names = append(names, v.Name)
		}
	}
	slices.Sort(names)
	return names
}

// namesNotAsked are the names of the nodes that could not be asked.
func namesNotAsked(nodes []*nodeVolumes) []string {
	names := []string{}
	for _, n := range nodes {
		if n.api == nil {
			names = append(names, n.name)
		}
	}
	return names
}

// removeVolumes removes a stack's own volumes from the nodes that can be asked, all
// nodes at once: the names of those on the connected node, and the others with their
// nodes. With an error they are those that went before it.
func (e *Engine) removeVolumes(ctx context.Context, nodes []*nodeVolumes, stack string) (here []string, elsewhere []VolumeAt, err error) {
	removed, errs := make([][]string, len(nodes)), make([]error, len(nodes))
	var removing sync.WaitGroup
	for i, n := range nodes {
		if n.api != nil {
			removing.Go(func() { removed[i], errs[i] = n.removeVolumes(ctx, stack) })
		}
	}
	removing.Wait()
	here, elsewhere = []string{}, []VolumeAt{}
	for i, n := range nodes {
		if n.id == e.NodeID {
			here = append(here, removed[i]...)
		} else {
			elsewhere = append(elsewhere, volumesAt(n, removed[i])...)
		}
		if errs[i] != nil {
			err = cmp.Or(err, fmt.Errorf("on node %s: %w", n.name, errs[i]))
		}
	}
	return here, sortedVolumesAt(elsewhere), err
}

func (n *nodeVolumes) removeVolumes(ctx context.Context, stack string) (removed []string, err error) {
	own := n.own(stack)
	if len(own)+len(n.containers) > 0 { // what an ended task's container holds cannot go
		if err := sweepContainers(ctx, n.api, stack); err != nil {
			return nil, err
		}
		if err := endOrphansAt(ctx, n.api, stack); err != nil {
			return nil, err
		}
	}
	for _, name := range own {
		bounded, cancel := context.WithTimeout(ctx, requestTimeout)
		err := removeVolume(bounded, n.api, name)
		cancel()
		if err != nil {
			return removed, fmt.Errorf("removing volume %q: %w", name, err)
		}
		removed = append(removed, name)
	}
	return removed, nil
}

// volumesAt are a node's volumes, which it was asked for.
func volumesAt(n *nodeVolumes, names []string) []VolumeAt {
	var all []VolumeAt
	for _, name := range names {
		all = append(all, VolumeAt{Volume: name, Node: n.name, Observed: true})
	}
	return all
}

func sortedVolumesAt(all []VolumeAt) []VolumeAt {
	slices.SortFunc(all, func(a, b VolumeAt) int { return cmp.Or(cmp.Compare(a.Volume, b.Volume), cmp.Compare(a.Node, b.Node)) })
	return all
}
