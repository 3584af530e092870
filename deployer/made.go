package deployer

import (
	"bytes"
	"context"
	"maps"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
)

// When a manager dies between carrying a write out and answering for it, the write is
// sent again (steady) and refused: its name is taken, or its version is old. These tell
// whether what stands is what was sent. The stack's lock is held meanwhile, so it is
// nobody else's; and what runs in the end is compared with the entry in any case.

// madeConfig is the ID of a config with that very content and those labels, "" for none.
func (e *Engine) madeConfig(ctx context.Context, sent swarm.ConfigSpec) string {
	made, _, err := e.api.ConfigInspectWithRaw(ctx, sent.Name)
	if err != nil || made.Spec.Name != sent.Name || !bytes.Equal(made.Spec.Data, sent.Data) || !maps.Equal(made.Spec.Labels, sent.Labels) {
		return ""
	}
	return made.ID
}

// madeNetwork is the ID of a network of that name that carries the stack's labels.
func (e *Engine) madeNetwork(ctx context.Context, sent Network) string {
	listed, err := e.api.NetworkList(ctx, network.ListOptions{Filters: newFilter("name", []string{sent.Name})})
	if err != nil {
		return ""
	}
	for _, n := range listed {
		if n.Name == sent.Name && n.Driver == sent.Options.Driver && maps.Equal(n.Labels, sent.Options.Labels) {
			return n.ID
		}
	}
	return ""
}

// madeService is the ID of a service of that name and with that spec, "" for none.
func (e *Engine) madeService(ctx context.Context, sent swarm.ServiceSpec) string {
	made, err := e.inspect(ctx, sent.Name)
	if err != nil || made.Spec.Name != sent.Name || !sameFace(made.Spec, sent) {
		return ""
	}
	return made.ID
}

// isWritten tells a service that was known otherwise and now has the spec that was sent.
func isWritten(standing, known, sent swarm.ServiceSpec) bool {
	return sameFace(standing, sent) && !sameSpec(standing, known)
}

// sameFace compares specs that hold this swarm's IDs, but for how the engine writes them.
func sameFace(a, b swarm.ServiceSpec) bool {
	return a.TaskTemplate.ForceUpdate == b.TaskTemplate.ForceUpdate && sameSpec(canonical(a, Names{}), canonical(b, Names{}))
}
