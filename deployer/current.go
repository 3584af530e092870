package deployer

import (
	"context"
	"fmt"
	"slices"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/volume"
)

// Current reads what the swarm has of a stack: everything with its namespace
// label, and of what wanted names beside that (external networks, secrets,
// configs) whatever exists. wanted may be nil.
//
// Networks are listed whole, so that the IDs in stored specs have names. Config
// contents come with the listing, so configs are asked by label and by name only.
func (e *Engine) Current(ctx context.Context, stack string, wanted *Stack) (*Stack, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	s := &Stack{
		Name: stack, Services: map[string]Service{}, Networks: map[string]Network{},
		Configs: map[string]Config{}, Secrets: map[string]Secret{}, Volumes: map[string]Volume{},
	}
	for _, read := range []func(context.Context, *Stack, *Stack) error{
		e.readServices, e.readNetworks, e.readConfigs, e.readSecrets, e.readVolumes,
	} {
		if err := read(ctx, s, wanted); err != nil {
			return nil, fmt.Errorf("reading the stack %q from the swarm: %w", stack, err)
		}
	}
	s.API = e.api.ClientVersion()
	return s, nil
}

func byStack(stack string) filters.Args {
	return filters.NewArgs(filters.Arg("label", NamespaceLabel+"="+stack))
}

func (e *Engine) readServices(ctx context.Context, s, _ *Stack) error {
	services, err := e.api.ServiceList(ctx, swarm.ServiceListOptions{Filters: byStack(s.Name)})
	if err != nil {
		return err
	}
	for _, service := range services {
		s.Services[service.Spec.Name] = newService(service)
	}
	return nil
}

func newService(s swarm.Service) Service {
	return Service{Spec: s.Spec, Previous: s.PreviousSpec, ID: s.ID, Version: s.Version, Update: s.UpdateStatus}
}

func (e *Engine) readNetworks(ctx context.Context, s, _ *Stack) error {
	networks, err := e.api.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return err
	}
	for _, n := range networks {
		if n.Scope != "swarm" && n.Scope != "local" {
			continue
		}
		if known, ok := s.Networks[n.Name]; ok && known.Options.Scope == "swarm" {
			continue // a node's own network of the same name
		}
		ipam := n.IPAM
		s.Networks[n.Name] = Network{
			Name: n.Name, ID: n.ID, External: n.Labels[NamespaceLabel] != s.Name,
			Options: network.CreateOptions{
				Driver: n.Driver, Scope: n.Scope, Internal: n.Internal, Attachable: n.Attachable, Ingress: n.Ingress,
				EnableIPv6: &n.EnableIPv6, IPAM: &ipam, Options: n.Options, Labels: n.Labels,
			},
		}
	}
	return e.readPredefined(ctx, s)
}

// readPredefined finds the IDs under which the swarm knows the networks that
// every node has ("host"): no listing shows them, and stored specs hold them.
func (e *Engine) readPredefined(ctx context.Context, s *Stack) error {
	known := map[string]bool{}
	for _, n := range s.Networks {
		known[n.ID] = true
	}
	for _, service := range s.Services {
		for _, attached := range service.Spec.TaskTemplate.Networks {
			if known[attached.Target] {
				continue
			}
			n, err := e.api.NetworkInspect(ctx, attached.Target, network.InspectOptions{Scope: "swarm"})
			if errdefs.IsNotFound(err) {
				continue // removed; the plan shows the ID
			}
			if err != nil {
				return err
			}
			found := s.Networks[n.Name]
			found.Name, found.ID, found.External = n.Name, n.ID, true
			s.Networks[n.Name], known[n.ID] = found, true
		}
	}
	return nil
}

func (e *Engine) readConfigs(ctx context.Context, s, wanted *Stack) error {
	add := func(args filters.Args) error {
		configs, err := e.api.ConfigList(ctx, swarm.ConfigListOptions{Filters: args})
		for _, c := range configs {
			s.Configs[c.Spec.Name] = Config{Spec: c.Spec, ID: c.ID, Created: c.CreatedAt, External: c.Spec.Labels[NamespaceLabel] != s.Name}
		}
		return err
	}
	if err := add(byStack(s.Name)); err != nil || wanted == nil {
		return err
	}
	names := filters.NewArgs()
	for name := range wanted.Configs {
		if _, known := s.Configs[name]; !known {
			names.Add("name", name)
		}
	}
	if names.Len() == 0 {
		return nil
	}
	// The name filter matches prefixes, so it may bring more than was asked for.
	return add(names)
}

func (e *Engine) readSecrets(ctx context.Context, s, _ *Stack) error {
	secrets, err := e.api.SecretList(ctx, swarm.SecretListOptions{})
	for _, secret := range secrets {
		s.Secrets[secret.Spec.Name] = Secret{
			Name: secret.Spec.Name, ID: secret.ID, Labels: secret.Spec.Labels,
			External: secret.Spec.Labels[NamespaceLabel] != s.Name,
		}
	}
	return err
}

func (e *Engine) readVolumes(ctx context.Context, s, _ *Stack) error {
	volumes, err := e.api.VolumeList(ctx, volume.ListOptions{Filters: byStack(s.Name)})
	for _, v := range volumes.Volumes {
		s.Volumes[v.Name] = newVolume(v)
	}
	return err
}

func newVolume(v *volume.Volume) Volume {
	return Volume{Name: v.Name, Options: volume.CreateOptions{Name: v.Name, Driver: v.Driver, DriverOpts: v.Options, Labels: v.Labels}}
}

// Fresh is what a swarm would have of a stack that was never deployed: nothing
// but what the stack expects others to have made.
func Fresh(wanted *Stack) *Stack {
	s := &Stack{
		Name: wanted.Name, Services: map[string]Service{}, Networks: map[string]Network{},
		Configs: map[string]Config{}, Secrets: map[string]Secret{}, Volumes: map[string]Volume{},
	}
	for name, n := range wanted.Networks {
		if n.External {
			s.Networks[name] = n
		}
	}
	for name, c := range wanted.Configs {
		if c.External {
			s.Configs[name] = c
		}
	}
	for name, secret := range wanted.Secrets {
		secret.External = true
		s.Secrets[name] = secret
	}
	return s
}

// serviceIDs lists the IDs of a stack's services, sorted.
func (s *Stack) serviceIDs() []string {
	var ids []string
	for _, service := range s.Services {
		ids = append(ids, service.ID)
	}
	slices.Sort(ids)
	return ids
}

// tasksOf lists the tasks of a stack's services, of which there must be one. The
// engine answers 404 to a filter by a service that is gone.
func (e *Engine) tasksOf(ctx context.Context, s *Stack) ([]swarm.Task, error) {
	return e.api.TaskList(ctx, swarm.TaskListOptions{Filters: newFilter("service", s.serviceIDs())})
}

func newFilter(key string, values []string) filters.Args {
	args := filters.NewArgs()
	for _, value := range values {
		args.Add(key, value)
	}
	return args
}
