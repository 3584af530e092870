package deployer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"

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
	// KeptOf is the volume that this one is a copy of, from before a restore; "" for
	// none.
	KeptOf string `json:"kept_of"`
}

// VolumeAt is a volume on another node than the connected one.
type VolumeAt struct {
	Volume string `json:"volume"`
	Node   string `json:"node"`
	// Observed says that the node was asked. Otherwise its tasks tell that there should
	// be one.
	Observed bool `json:"observed"`
}

// Volumes lists a stack's volumes on all nodes: those that are its own, services or
// not, and those of others that its services mount. sizes asks the engines to add up
// their files, which can take minutes. A stack that has neither services nor volumes is
// an error.
func (e *Engine) Volumes(ctx context.Context, stack string, sizes bool) ([]VolumeState, error) {
	current, err := e.Current(ctx, stack, nil)
	if err != nil {
		return nil, err
	}
	users := mountedVolumes(current)
	nodes, err := e.lookOnNodes(ctx, stack)
	if err != nil {
		return nil, err
	}
	states := []VolumeState{}
	for _, n := range nodes {
		states = append(states, n.states(stack, users)...)
	}
	if sizes {
		if err := e.addSizes(ctx, nodes, states); err != nil {
			return nil, err
		}
	}
	notAsked, err := e.volumesNotAsked(ctx, current, nodes)
	if err != nil {
		return nil, err
	}
	for _, v := range notAsked {
		states = append(states, VolumeState{Name: v.Volume, Node: v.Node, External: !belongs(v.Volume, stack), UsedBy: append([]string{}, users[v.Volume]...), Size: -1})
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
		for _, source := range VolumesOf(s.Services[name].Spec) {
			if !slices.Contains(users[source], name) {
				users[source] = append(users[source], name)
			}
		}
	}
	return users
}

// VolumesOf are the named volumes that a service mounts.
func VolumesOf(spec swarm.ServiceSpec) []string {
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

// states are the node's volumes that are the stack's own or that its services mount.
func (n *nodeVolumes) states(stack string, users map[string][]string) []VolumeState {
	var states []VolumeState
	for _, v := range n.volumes {
		own := v.Labels[NamespaceLabel] == stack || v.Labels[labelKept] == stack
		if own || len(users[v.Name]) > 0 {
			states = append(states, VolumeState{
				Name: v.Name, Driver: v.Driver, Node: n.name, Observed: true, External: !own, UsedBy: append([]string{}, users[v.Name]...), Size: -1,
				KeptOf: v.Labels[labelKeptOf],
			})
		}
	}
	return states
}

// addSizes asks the nodes that have some of the volumes, all at once. It takes as long
// as the engines take: they read every file's size. Sizes that another node than the
// connected one does not tell stay unknown.
func (e *Engine) addSizes(ctx context.Context, nodes []*nodeVolumes, states []VolumeState) error {
	sizes, errs := make([]map[string]int64, len(nodes)), make([]error, len(nodes))
	var asking sync.WaitGroup
	for i, n := range nodes {
		if n.api != nil && slices.ContainsFunc(states, func(v VolumeState) bool { return v.Node == n.name }) {
			asking.Go(func() { sizes[i], errs[i] = n.sizes(ctx) })
		}
	}
	asking.Wait()
	for i, n := range nodes {
		if errs[i] != nil && n.id == e.NodeID {
			return errs[i]
		}
		for k, v := range states {
			if size, ok := sizes[i][v.Name]; ok && v.Node == n.name {
				states[k].Size = size
			}
		}
	}
	return nil
}

func (n *nodeVolumes) sizes(ctx context.Context) (map[string]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*requestTimeout)
	defer cancel()
	usage, err := n.api.DiskUsage(ctx, types.DiskUsageOptions{Types: []types.DiskUsageObject{types.VolumeObject}})
	if err != nil {
		return nil, fmt.Errorf("asking for the volumes' sizes: %w", err)
	}
	sizes := map[string]int64{}
	for _, v := range usage.Volumes {
		if v.UsageData != nil {
			sizes[v.Name] = v.UsageData.Size
		}
	}
	return sizes, nil
}

// volumesElsewhere are the stack's own volumes on the other nodes that were asked, and
// those that its tasks mount on nodes that were not.
func (e *Engine) volumesElsewhere(ctx context.Context, current *Stack, nodes []*nodeVolumes) ([]VolumeAt, error) {
	all, err := e.volumesNotAsked(ctx, current, nodes)
	for _, n := range nodes {
		if n.id != e.NodeID {
			all = append(all, volumesAt(n, n.own(current.Name))...)
		}
	}
	return sortedVolumesAt(all), err
}

// volumesNotAsked are the volumes that the stack's tasks, those of the past that swarm
// still knows among them, mount on nodes that could not be asked.
func (e *Engine) volumesNotAsked(ctx context.Context, current *Stack, nodes []*nodeVolumes) ([]VolumeAt, error) {
	found := []VolumeAt{}
	if len(current.Services) == 0 {
		return found, nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	tasks, err := e.tasksOf(ctx, current)
	if err != nil {
		return nil, fmt.Errorf("reading the tasks of stack %q: %w", current.Name, err)
	}
	known := map[string]*nodeVolumes{}
	for _, n := range nodes {
		known[n.id] = n
	}
	for _, t := range tasks {
		n := known[t.NodeID]
		if n == nil { // it is in the swarm no more
			n = &nodeVolumes{name: t.NodeID}
		}
		if t.NodeID == "" || n.api != nil {
			continue
		}
		for _, name := range VolumesOf(swarm.ServiceSpec{TaskTemplate: t.Spec}) {
			if v := (VolumeAt{Volume: name, Node: n.name}); !slices.Contains(found, v) {
				found = append(found, v)
			}
		}
	}
	return sortedVolumesAt(found), nil
}
