package deployer

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/catalogue"
	"github.com/galley-coop/galley/internal/fault"
)

// Standing makes a wanted stack of what stands, for changes that need no
// catalogue: a restart, another number of replicas. Nothing in it differs from
// the current stack until the caller says so, with Scale or Restart; planned and
// deployed it goes through the same lock, journal, watch and put-back as every
// other deploy.
//
// No entry speaks for its images, so containers are not compared with one; the
// specs that the swarm stores are. A stack that is not there is an error.
func (e *Engine) Standing(ctx context.Context, stack string) (*Desired, error) {
	current, err := e.Current(ctx, stack, nil)
	if err != nil {
		return nil, err
	}
	if len(current.Services) == 0 {
		err := fault.New(fault.Unavailable, "there is no stack %q on server %q", stack, e.Server)
		return nil, fault.Hint(err, "galley app deploy brings it there")
	}
	return standing(current), nil
}

// standing is the wanted stack that equals a current one.
func standing(current *Stack) *Desired {
	names := current.Names()
	d := &Desired{
		Stack: &Stack{
			Name: current.Name, Services: map[string]Service{}, Networks: map[string]Network{},
			Configs: map[string]Config{}, Secrets: map[string]Secret{}, Volumes: map[string]Volume{},
		},
		Images: map[string]catalogue.Image{}, Restart: map[string]bool{},
	}
	for name, have := range current.Services {
		spec := copySpec(have.Spec)
		for i, n := range spec.TaskTemplate.Networks {
			full := nameOf(names.Networks, n.Target)
			spec.TaskTemplate.Networks[i].Target = full
			if found, ok := current.Networks[full]; ok && found.External {
				d.Stack.Networks[full] = found
			}
		}
		d.Stack.Services[name] = Service{Spec: spec}
		d.describe(spec.Labels)
	}
	for name, n := range current.Networks {
		if !n.External {
			d.Stack.Networks[name] = n
		}
	}
	for name, c := range current.Configs {
		if !c.External {
			d.Stack.Configs[name] = c
		}
	}
	maps.Copy(d.Stack.Volumes, current.Volumes)
	return d
}

// describe reads what clients' labels on a service tell of the whole stack.
func (d *Desired) describe(labels map[string]string) {
	label := func(what string) string { return labels[clientLabel(d.Stack.Name, what)] }
	d.Recipe, d.Version = cmp.Or(d.Recipe, label("recipe")), cmp.Or(d.Version, label("version"))
	d.EntryDigest = cmp.Or(d.EntryDigest, labels[LabelEntry])
	if why := labels[LabelUnverified]; why != "" {
		d.Unverified = []string{why}
	}
	if seconds, err := strconv.Atoi(label("timeout")); err == nil && seconds > 0 {
		d.Timeout = time.Duration(seconds) * time.Second
	}
}

// Scale sets the replicas of a service, named in full or as the compose file
// calls it, and marks it so that later deploys keep them. A service that is not
// there, or is not replicated, is an error.
func (d *Desired) Scale(service string, replicas uint64) error {
	name, err := d.service(service)
	if err != nil {
		return err
	}
	s := d.Stack.Services[name]
	if s.Spec.Mode.Replicated == nil {
		return fault.New(fault.Usage, "service %q is not replicated: it cannot be scaled", service)
	}
	s.Spec.Mode = swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &replicas}}
	if s.Spec.Labels = maps.Clone(s.Spec.Labels); s.Spec.Labels == nil {
		s.Spec.Labels = map[string]string{}
	}
	s.Spec.Labels[LabelScale] = strconv.FormatUint(replicas, 10)
	d.Stack.Services[name] = s
	return nil
}

// spec is what is wanted of a service that stands as have, the zero spec when it
// does not: replicas that an operator set stay, unless the wanted stack sets them
// itself.
func (d *Desired) spec(name string, have swarm.ServiceSpec) swarm.ServiceSpec {
	spec := d.Stack.Services[name].Spec
	replicas, err := strconv.ParseUint(have.Labels[LabelScale], 10, 64)
	if err != nil || spec.Labels[LabelScale] != "" || d.unscaled[name] || modeName(spec.Mode) != "replicated" {
		return spec
	}
	spec.Mode = swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &replicas}}
	spec.Labels = maps.Clone(spec.Labels)
	if spec.Labels == nil {
		spec.Labels = map[string]string{}
	}
	spec.Labels[LabelScale] = have.Labels[LabelScale]
	return spec
}

// service is the full name of one of the stack's services.
func (d *Desired) service(name string) (string, error) {
	for _, full := range []string{name, d.Stack.Name + "_" + name} {
		if _, ok := d.Stack.Services[full]; ok {
			return full, nil
		}
	}
	known := slices.Sorted(maps.Keys(d.Stack.Services))
	for i := range known {
		known[i] = known[i][min(len(known[i]), len(d.Stack.Name)+1):]
	}
	err := fault.New(fault.Usage, "stack %q has no service %q", d.Stack.Name, name)
	return "", fault.Hint(err, "it has %s", strings.Join(known, ", "))
}
