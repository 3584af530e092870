package deployer

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/volume"

	"github.com/galley-coop/galley/internal/fault"
)

// VolumeState is a volume of a stack on one node: each node makes its own.
type VolumeState struct {
	Name   string `json:"name"`
	Driver string `json:"driver"` // "" where the node could not be asked
	Node   string `json:"node"`
	// Observed says that the node was asked. Of others it is known from their tasks
	// that there should be one.
	Observed bool     `json:"observed"`
	External bool     `json:"external"` // not the stack's own: an undeploy never touches it
	UsedBy   []string `json:"used_by"`  // services that mount it now
	Size     int64    `json:"size"`     // in bytes, -1 when it was not asked for or the driver does not tell
}

// VolumeAt is a volume on a node that could not be asked.
type VolumeAt struct {
	Volume string `json:"volume"`
	Node   string `json:"node"`
}

// Volumes lists a stack's volumes: those that are its own, services or not, and
// those of others that its services mount. sizes asks the engine to add up their
// files, which can take minutes. A stack that has neither services nor volumes is an
// error.
func (e *Engine) Volumes(ctx context.Context, stack string, sizes bool) ([]VolumeState, error) {
	current, err := e.Current(ctx, stack, nil)
	if err != nil {
		return nil, err
	}
	users := mountedVolumes(current)
	states, err := e.volumesHere(ctx, stack, users)
	if err != nil {
		return nil, err
	}
	if sizes {
		if err := e.addSizes(ctx, states); err != nil {
			return nil, err
		}
	}
	elsewhere, err := e.volumesElsewhere(ctx, current)
	if err != nil {
		return nil, err
	}
	for _, v := range elsewhere {
		states = append(states, VolumeState{Name: v.Volume, Node: v.Node, External: !belongs(v.Volume, stack), UsedBy: users[v.Volume], Size: -1})
	}
	if len(states) == 0 && len(current.Services) == 0 {
		err := fault.New(fault.Unavailable, "there is no stack %q on server %q, and it left no volumes", stack, e.Server)
		return nil, fault.Hint(err, "galley app ls lists the apps and their servers")
	}
	slices.SortFunc(states, func(a, b VolumeState) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Node, b.Node)) })
	return states, nil
}

// mountedVolumes are the services that mount each named volume, sorted.
func mountedVolumes(s *Stack) map[string][]string {
	users := map[string][]string{}
	for _, name := range sortedKeys(s.Services) {
		for _, source := range volumesOf(s.Services[name].Spec) {
			if !slices.Contains(users[source], name) {
				users[source] = append(users[source], name)
			}
		}
	}
	return users
}

// volumesOf are the named volumes that a service mounts.
func volumesOf(spec swarm.ServiceSpec) []string {
	var names []string
	if c := spec.TaskTemplate.ContainerSpec; c != nil {
		for _, m := range c.Mounts {
			if m.Type == mount.TypeVolume && m.Source != "" {
				names = append(names, m.Source)
			}
		}
	}
	return names
}

func (e *Engine) volumesHere(ctx context.Context, stack string, users map[string][]string) ([]VolumeState, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	listed, err := e.api.VolumeList(ctx, volume.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing the volumes: %w", err)
	}
	states := []VolumeState{}
	node := e.nodeName(ctx, e.NodeID)
	for _, v := range listed.Volumes {
		own := v.Labels[NamespaceLabel] == stack
		if own || len(users[v.Name]) > 0 {
			states = append(states, VolumeState{
				Name: v.Name, Driver: v.Driver, Node: node, Observed: true, External: !own, UsedBy: append([]string{}, users[v.Name]...), Size: -1,
			})
		}
	}
	return states, nil
}

// addSizes takes as long as the engine takes: it reads every file's size.
func (e *Engine) addSizes(ctx context.Context, states []VolumeState) error {
	ctx, cancel := context.WithTimeout(ctx, 20*requestTimeout)
	defer cancel()
	usage, err := e.api.DiskUsage(ctx, types.DiskUsageOptions{Types: []types.DiskUsageObject{types.VolumeObject}})
	if err != nil {
		return fmt.Errorf("asking for the volumes' sizes: %w", err)
	}
	sizes := map[string]int64{}
	for _, v := range usage.Volumes {
		if v.UsageData != nil {
			sizes[v.Name] = v.UsageData.Size
		}
	}
	for i := range states {
		if size, ok := sizes[states[i].Name]; ok {
			states[i].Size = size
		}
	}
	return nil
}

// volumesElsewhere are the volumes that the stack's tasks, those of the past that
// swarm still knows among them, mount on nodes that cannot be asked.
func (e *Engine) volumesElsewhere(ctx context.Context, current *Stack) ([]VolumeAt, error) {
	if len(current.Services) == 0 {
		return []VolumeAt{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	tasks, err := e.tasksOf(ctx, current)
	if err != nil {
		return nil, fmt.Errorf("reading the tasks of stack %q: %w", current.Name, err)
	}
	found := map[VolumeAt]bool{}
	for _, t := range tasks {
		if t.NodeID == "" || e.nodeClient(t.NodeID) != nil {
			continue
		}
		for _, name := range volumesOf(swarm.ServiceSpec{TaskTemplate: t.Spec}) {
			found[VolumeAt{name, t.NodeID}] = true
		}
	}
	return e.named(ctx, found), nil
}

// named sorts them and gives the nodes their names.
func (e *Engine) named(ctx context.Context, found map[VolumeAt]bool) []VolumeAt {
	all := slices.Collect(maps.Keys(found))
	names := map[string]string{}
	for i, v := range all {
		if names[v.Node] == "" {
			names[v.Node] = e.nodeName(ctx, v.Node)
		}
		all[i].Node = names[v.Node]
	}
	slices.SortFunc(all, func(a, b VolumeAt) int { return cmp.Or(cmp.Compare(a.Volume, b.Volume), cmp.Compare(a.Node, b.Node)) })
	return append([]VolumeAt{}, all...)
}
