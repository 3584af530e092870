package deployer

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
)

// restoreObjects makes again what journalled specs need and somebody removed
// since: configs from the data that the journal keeps, networks from their
// options. Swarm lets both go as soon as no spec names them, and the new version's
// may not. What exists is only looked up.
func (b *backer) restoreObjects(ctx context.Context) error {
	current, err := b.engine.Current(ctx, b.stack, b.journal.named())
	if err != nil {
		return err
	}
	b.writer.learn(current)
	for _, name := range b.needed(b.journal.configNames) {
		if err := b.restoreConfig(ctx, name, current); err != nil {
			return err
		}
	}
	for _, name := range b.needed(b.journal.networkNames) {
		if err := b.restoreNetwork(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// needed are what the journalled specs of ours name, sorted.
func (b *backer) needed(of func(swarm.ServiceSpec) []string) []string {
	var names []string
	for _, service := range b.journal.names() {
		if b.ours(service) {
			names = append(names, of(b.journal.Services[service])...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (b *backer) restoreConfig(ctx context.Context, name string, current *Stack) error {
	kept, known := b.journal.ConfigSpecs[name]
	standing, stands := current.Configs[name]
	switch {
	case stands && known && !bytes.Equal(standing.Spec.Data, kept.Data):
		return fmt.Errorf("config %q is there, and has other content than before", name)
	case stands:
		return nil
	case !known:
		return fmt.Errorf("config %q is gone, and the journal has no copy of it", name)
	}
	b.tell("config %s is gone; it is made again", name)
	return b.createConfig(ctx, Config{Spec: kept})
}

// restoreNetwork makes a network again that neither the swarm nor this node has.
func (b *backer) restoreNetwork(ctx context.Context, name string) error {
	for _, id := range b.journal.networkIDs(name, b.networks[name]) {
		stands, err := b.engine.swarmHasNetwork(ctx, id)
		if stands {
			b.networks[name] = id
		}
		if err != nil || stands {
			return err
		}
	}
	options, known := b.journal.NetworkOptions[name]
	if !known {
		return fmt.Errorf("network %q is gone, and it is not one of the stack's own", name)
	}
	b.tell("network %s is gone; it is made again", name)
	deadline := time.Now().Add(requestTimeout)
	for {
		err := b.createNetwork(ctx, Network{Name: name, Options: options})
		switch {
		case err == nil:
			return nil
		case time.Now().After(deadline), !isNameTaken(err) && options.IPAM == nil:
			return err
		case !isNameTaken(err): // its address range is another network's by now
			options.IPAM = nil
		}
		if err := pause(ctx, lookAgain); err != nil {
			return err
		}
	}
}

func (e *Engine) swarmHasNetwork(ctx context.Context, id string) (bool, error) {
	if id == "" {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err := e.api.NetworkInspect(ctx, id, network.InspectOptions{Scope: "swarm"})
	if errdefs.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// back is a journalled spec with the IDs that its networks and configs have now.
// While nothing was removed it is the stored spec, byte by byte.
func (b *backer) back(name string) swarm.ServiceSpec {
	spec := copySpec(b.journal.Services[name])
	for i, n := range spec.TaskTemplate.Networks {
		if id := b.networks[b.journal.NetworkNames[n.Target]]; id != "" {
			spec.TaskTemplate.Networks[i].Target = id
		}
	}
	if c := spec.TaskTemplate.ContainerSpec; c != nil {
		for _, r := range c.Configs {
			if id := b.configs[r.ConfigName]; id != "" {
				r.ConfigID = id
			}
		}
	}
	return spec
}

// tell reports what the put-back does beside writing specs.
func (b *backer) tell(format string, args ...any) {
	if b.report != nil {
		b.report(Event{Stage: "put back", Nodes: []string{}, Message: oneLine(fmt.Sprintf(format, args...)), Elapsed: time.Since(b.started)})
	}
}
