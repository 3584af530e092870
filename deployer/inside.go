package deployer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"

	"github.com/galley-coop/galley/internal/fault"
)

// Container is a running container of a service, on a node that can be asked.
type Container struct {
	Service string `json:"service"` // full name
	Task    string `json:"task"`    // ID
	Slot    int    `json:"slot"`    // 0 for a global service
	Node    string `json:"node"`    // its name
	ID      string `json:"container"`

	spec swarm.ContainerSpec
	api  *client.Client // of its node
}

// Inside finds a running container of a stack's service, named in full or as the
// compose file calls it. slot 0 takes any on a node that can be reached: a healthy one
// if there is one, of those one on the connected node. A stack, a service or a task that
// is not there is an error, and so is one whose only containers are on nodes that cannot
// be reached: it names them.
func (e *Engine) Inside(ctx context.Context, stack, service string, slot int) (*Container, error) {
	standing, err := e.Standing(ctx, stack)
	if err != nil {
		return nil, err
	}
	full, err := standing.service(service)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	args := newFilter("service", []string{full})
	args.Add("desired-state", "running")
	tasks, err := e.api.TaskList(ctx, swarm.TaskListOptions{Filters: args})
	if err != nil {
		return nil, fmt.Errorf("reading the tasks of service %q: %w", full, err)
	}
	tasks = slices.DeleteFunc(tasks, func(t swarm.Task) bool { return !hasContainer(&t) || slot != 0 && t.Slot != slot })
	slices.SortFunc(tasks, e.byReadiness)
	if len(tasks) == 0 {
		return nil, notRunning(full, slot)
	}
	if e.at(tasks[0].NodeID) == nil {
		if _, err := e.survey(ctx); err != nil {
			return nil, err
		}
	}
	for _, t := range tasks {
		if api := e.at(t.NodeID); api != nil {
			c := &Container{Service: full, Task: t.ID, Slot: t.Slot, Node: e.nodeName(ctx, t.NodeID), ID: t.Status.ContainerStatus.ContainerID, api: api}
			if t.Spec.ContainerSpec != nil {
				c.spec = *t.Spec.ContainerSpec
			}
			return c, nil
		}
	}
	return nil, e.elsewhere(ctx, full, tasks)
}

// hasContainer tells a task whose container runs: also one that is not healthy
// yet, for who wants to see why.
func hasContainer(t *swarm.Task) bool {
	c := t.Status.ContainerStatus
	return c != nil && c.ContainerID != "" && (t.Status.State == swarm.TaskStateRunning || t.Status.State == swarm.TaskStateStarting)
}

// byReadiness puts healthy tasks first, then those on the connected node, then the
// lowest slots, then the newest.
func (e *Engine) byReadiness(a, b swarm.Task) int {
	ready := func(t swarm.Task) int {
		if t.Status.State == swarm.TaskStateRunning {
			return 0
		}
		return 1
	}
	far := func(t swarm.Task) int {
		if t.NodeID == e.NodeID {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(ready(a), ready(b)), cmp.Compare(far(a), far(b)), cmp.Compare(a.Slot, b.Slot), b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
}

func notRunning(service string, slot int) error {
	err := fault.New(fault.Unavailable, "service %q has no running task", service)
	if slot != 0 {
		err = fault.New(fault.Unavailable, "service %q has no running task in slot %d", service, slot)
	}
	return fault.Hint(err, "galley app status tells why")
}

// nodeName is what people call a node, its ID when nobody can tell.
func (e *Engine) nodeName(ctx context.Context, nodeID string) string {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	node, _, err := e.api.NodeInspectWithRaw(ctx, nodeID)
	if err != nil {
		return nodeID
	}
	return cmp.Or(node.Description.Hostname, nodeID)
}

// elsewhere is the error for tasks that run where no connection leads.
func (e *Engine) elsewhere(ctx context.Context, service string, tasks []swarm.Task) error {
	var nodes []string
	for _, t := range tasks {
		host := e.nodeName(ctx, t.NodeID)
		told := fmt.Sprintf("%q (%s)", host, e.notReached(host))
		if !slices.Contains(nodes, told) && len(nodes) < 5 {
			nodes = append(nodes, told)
		}
	}
	for _, n := range e.astray(nil) { // their reasons may be what the operator looks for
		if told := fmt.Sprintf("way %s: %s", n.Name, n.Reason); len(nodes) < 10 {
			nodes = append(nodes, told)
		}
	}
	err := fault.New(fault.Unavailable, "service %q runs on nodes that cannot be reached: %s", service, strings.Join(nodes, ", "))
	return fault.Hint(err, "only a node's own engine can reach into its containers: name a way to it in servers/%s/nodes", e.Server)
}
