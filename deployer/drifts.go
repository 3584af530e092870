package deployer

import (
	"context"
	"fmt"
	"maps"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/volume"
)

// Drifts tells for each wanted stack, by its name, whether the swarm has something
// else: one listing of each kind of object for all of them. A stack whose plan is
// refused drifts. The images of containers are not looked at; Verify does.
func (e *Engine) Drifts(ctx context.Context, wanted []*Desired) (map[string]Drift, error) {
	drifts := map[string]Drift{}
	if len(wanted) == 0 {
		return drifts, nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	all, err := e.everything(ctx, wanted)
	if err != nil {
		return nil, fmt.Errorf("reading what server %q has: %w", e.Server, err)
	}
	for _, d := range wanted {
		drifts[d.Stack.Name] = DriftNo
		if plan, err := NewPlan(d, all.part(d.Stack.Name)); err != nil || !plan.Empty() {
			drifts[d.Stack.Name] = DriftYes
		}
	}
	return drifts, nil
}

// everything is what the swarm has of all stacks, as if it were one.
func (e *Engine) everything(ctx context.Context, wanted []*Desired) (*Stack, error) {
	all := &Stack{
		Services: map[string]Service{}, Networks: map[string]Network{},
		Configs: map[string]Config{}, Secrets: map[string]Secret{}, Volumes: map[string]Volume{},
	}
	labelled := filters.NewArgs(filters.Arg("label", NamespaceLabel))
	services, err := e.api.ServiceList(ctx, swarm.ServiceListOptions{Filters: labelled})
	if err != nil {
		return nil, err
	}
	for _, s := range services {
		all.Services[s.Spec.Name] = newService(s)
	}
	if err := e.addConfigs(ctx, all, labelled); err != nil {
		return nil, err
	}
	unlabelled := filters.NewArgs()
	for _, d := range wanted {
		for name := range d.Stack.Configs {
			if _, known := all.Configs[name]; !known {
				unlabelled.Add("name", name)
			}
		}
	}
	if unlabelled.Len() > 0 {
		if err := e.addConfigs(ctx, all, unlabelled); err != nil {
			return nil, err
		}
	}
	volumes, err := e.api.VolumeList(ctx, volume.ListOptions{Filters: labelled})
	if err != nil {
		return nil, err
	}
	for _, v := range volumes.Volumes {
		all.Volumes[v.Name] = newVolume(v)
	}
	for _, read := range []func(context.Context, *Stack, *Stack) error{e.readNetworks, e.readSecrets} {
		if err := read(ctx, all, nil); err != nil {
			return nil, err
		}
	}
	all.API = e.api.ClientVersion()
	return all, nil
}

func (e *Engine) addConfigs(ctx context.Context, all *Stack, args filters.Args) error {
	configs, err := e.api.ConfigList(ctx, swarm.ConfigListOptions{Filters: args})
	for _, c := range configs {
		all.Configs[c.Spec.Name] = Config{Spec: c.Spec, ID: c.ID}
	}
	return err
}

// part is what Current gives of one of the stacks in everything.
func (s *Stack) part(stack string) *Stack {
	part := &Stack{
		Name: stack, API: s.API, Services: maps.Clone(s.Services), Networks: map[string]Network{},
		Configs: map[string]Config{}, Secrets: map[string]Secret{}, Volumes: maps.Clone(s.Volumes),
	}
	maps.DeleteFunc(part.Services, func(_ string, x Service) bool { return x.Spec.Labels[NamespaceLabel] != stack })
	maps.DeleteFunc(part.Volumes, func(_ string, x Volume) bool { return x.Options.Labels[NamespaceLabel] != stack })
	for name, n := range s.Networks {
		n.External = n.Options.Labels[NamespaceLabel] != stack
		part.Networks[name] = n
	}
	for name, c := range s.Configs {
		c.External = c.Spec.Labels[NamespaceLabel] != stack
		part.Configs[name] = c
	}
	for name, secret := range s.Secrets {
		secret.External = secret.Labels[NamespaceLabel] != stack
		part.Secrets[name] = secret
	}
	return part
}
