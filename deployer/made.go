package deployer

import (
	"bytes"
	"context"
	"maps"
	"sync/atomic"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
)

// When the answer to a write is lost, the write is sent again (steadyTransport) and
// refused: its name is taken, or its version is old. These tell
// whether what stands is what was sent. The stack's lock is held meanwhile, so it is
// nobody else's; and what runs in the end is compared with the entry in any case.

// resentKey marks a request that may be sent twice, for whoever has to know whether it was.
type resentKey struct{}

// noteResends is a context whose requests tell the flag when they are sent again.
func noteResends(ctx context.Context) (context.Context, *atomic.Bool) {
	if flag, ok := ctx.Value(resentKey{}).(*atomic.Bool); ok {
		return ctx, flag
	}
	flag := new(atomic.Bool)
	return context.WithValue(ctx, resentKey{}, flag), flag
}

// once makes an object under a name. When the request had to be sent again and the
// name is taken then, made tells the ID of the one that stands, "" when that is
// another's.
func once(ctx context.Context, create func(context.Context) (string, error), made func(context.Context) string) (string, error) {
	ctx, resent := noteResends(ctx)
	id, err := create(ctx)
	if err == nil || !resent.Load() || !isNameTaken(err) {
		return id, err
	}
	if id := made(ctx); id != "" {
		return id, nil
	}
	return "", err
}

// madeConfig is the ID of a config with that very content and those labels, "" for none.
func (e *Engine) madeConfig(ctx context.Context, sent swarm.ConfigSpec) string {
	made, _, err := e.api.ConfigInspectWithRaw(ctx, sent.Name)
	if err != nil || made.Spec.Name != sent.Name || !bytes.Equal(made.Spec.Data, sent.Data) || !maps.Equal(made.Spec.Labels, sent.Labels) {
		return ""
	}
	return made.ID
}

// createConfig makes a config and returns its ID.
func (e *Engine) createConfig(ctx context.Context, spec swarm.ConfigSpec) (string, error) {
	return once(ctx, func(ctx context.Context) (string, error) {
		created, err := e.api.ConfigCreate(ctx, spec)
		return created.ID, err
	}, func(ctx context.Context) string { return e.madeConfig(ctx, spec) })
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
	if err != nil || made.Spec.Name != sent.Name || !e.sameFace(made.Spec, sent) {
		return ""
	}
	return made.ID
}

// isWritten tells a service that was known otherwise and now has the spec that was sent.
func (e *Engine) isWritten(standing, known, sent swarm.ServiceSpec) bool {
	return e.sameFace(standing, sent) && !sameSpec(standing, known)
}

// sameFace compares specs that hold this swarm's IDs, but for how the engine writes
// them and for what it is too old to keep.
func (e *Engine) sameFace(a, b swarm.ServiceSpec) bool {
	form := func(spec swarm.ServiceSpec) map[string]string {
		return flatten(supported(canonical(spec, Names{}), e.api.ClientVersion()))
	}
	return a.TaskTemplate.ForceUpdate == b.TaskTemplate.ForceUpdate && maps.Equal(form(a), form(b))
}
