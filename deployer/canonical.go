package deployer

import (
	"cmp"
	"encoding/json"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"
)

// Names turns the swarm's IDs into names.
type Names struct {
	Networks, Configs, Secrets map[string]string // ID → name
}

// Names are the IDs of everything in the stack that has one. A nil stack has none.
func (s *Stack) Names() Names {
	n := Names{map[string]string{}, map[string]string{}, map[string]string{}}
	if s == nil {
		return n
	}
	for name, x := range s.Networks {
		n.Networks[x.ID] = name
	}
	for name, x := range s.Configs {
		n.Configs[x.ID] = name
	}
	for name, x := range s.Secrets {
		n.Secrets[x.ID] = name
	}
	for _, m := range []map[string]string{n.Networks, n.Configs, n.Secrets} {
		delete(m, "") // wanted objects have no ID yet
	}
	return n
}

// canonical brings a service spec to the one form in which a wanted and a stored
// spec compare: names in place of IDs, the engine's defaults filled in, lists
// whose order means nothing sorted, empty parts gone. What the engine or another
// client adds by itself (Platforms, ForceUpdate) is dropped.
//
// Only what the engine fills in when a field is left out is filled in here: a
// value that would replace tasks must show as a difference.
//
// The result shares nothing with spec.
func canonical(spec swarm.ServiceSpec, names Names) swarm.ServiceSpec {
	s := copySpec(spec)
	if len(s.TaskTemplate.Networks) == 0 {
		s.TaskTemplate.Networks = *oldNetworks(&s)
	}
	*oldNetworks(&s) = nil
	canonicalTask(&s.TaskTemplate, names)
	canonicalMode(&s.Mode)
	canonicalUpdate(s.UpdateConfig)
	canonicalUpdate(s.RollbackConfig)
	s.EndpointSpec = canonicalEndpoint(s.EndpointSpec)
	if s.Labels == nil {
		s.Labels = map[string]string{}
	}
	return s
}

// oldNetworks is where clients before API 1.25 wrote a service's networks.
func oldNetworks(s *swarm.ServiceSpec) *[]swarm.NetworkAttachmentConfig {
	//lint:ignore SA1019 stored specs may still have them here
	return &s.Networks
}

// copySpec copies a spec through JSON, which is how the engine gets it anyway.
func copySpec(spec swarm.ServiceSpec) swarm.ServiceSpec {
	var clone swarm.ServiceSpec
	data, err := json.Marshal(spec)
	if err == nil {
		err = json.Unmarshal(data, &clone)
	}
	if err != nil { // the type has no value that JSON cannot hold
		return swarm.ServiceSpec{}
	}
	return clone
}

func canonicalTask(t *swarm.TaskSpec, names Names) {
	t.ForceUpdate = 0
	t.Runtime = cmp.Or(t.Runtime, swarm.RuntimeContainer)
	for i := range t.Networks {
		n := &t.Networks[i]
		n.Target = nameOf(names.Networks, n.Target)
		slices.Sort(n.Aliases)
		n.Aliases = slices.Compact(n.Aliases)
	}
	slices.SortFunc(t.Networks, func(a, b swarm.NetworkAttachmentConfig) int { return cmp.Compare(a.Target, b.Target) })
	if p := t.Placement; p != nil {
		p.Platforms = nil
		slices.Sort(p.Constraints)
	}
	t.Placement = orNil(t.Placement)
	if r := t.Resources; r != nil {
		r.Limits, r.Reservations = orNil(r.Limits), orNil(r.Reservations)
	}
	t.Resources = orNil(t.Resources)
	if r := t.RestartPolicy; r != nil {
		r.Condition = cmp.Or(r.Condition, swarm.RestartPolicyConditionAny)
		if r.MaxAttempts == nil {
			r.MaxAttempts = new(uint64)
		}
	}
	if t.ContainerSpec != nil {
		canonicalContainer(t.ContainerSpec, names)
	}
}

func canonicalContainer(c *swarm.ContainerSpec, names Names) {
	c.Isolation = cmp.Or(c.Isolation, container.IsolationDefault)
	slices.SortStableFunc(c.Env, func(a, b string) int { return cmp.Compare(envName(a), envName(b)) })
	for _, list := range [][]string{c.Hosts, c.CapabilityAdd, c.CapabilityDrop, c.Groups} {
		slices.Sort(list)
	}
	slices.SortFunc(c.Ulimits, func(a, b *container.Ulimit) int { return cmp.Compare(a.Name, b.Name) })
	for i := range c.Mounts {
		canonicalMount(&c.Mounts[i])
	}
	slices.SortFunc(c.Mounts, func(a, b mount.Mount) int { return cmp.Compare(a.Target, b.Target) })
	canonicalFiles(c, names)
	c.DNSConfig, c.Healthcheck = orNil(c.DNSConfig), orNil(c.Healthcheck)
	if p := c.Privileges; p != nil {
		if p.CredentialSpec != nil {
			p.CredentialSpec.Config = nameOf(names.Configs, p.CredentialSpec.Config)
		}
		p.CredentialSpec, p.SELinuxContext = orNil(p.CredentialSpec), orNil(p.SELinuxContext)
	}
	c.Privileges = orNil(c.Privileges)
}

func envName(s string) string {
	name, _, _ := strings.Cut(s, "=")
	return name
}

func canonicalMount(m *mount.Mount) {
	m.Target = path.Clean(m.Target)
	if m.Type == mount.TypeBind {
		if m.BindOptions == nil {
			m.BindOptions = &mount.BindOptions{}
		}
		m.BindOptions.Propagation = cmp.Or(m.BindOptions.Propagation, mount.PropagationRPrivate)
	}
	if m.Consistency == mount.ConsistencyDefault {
		m.Consistency = ""
	}
	if o := m.VolumeOptions; o != nil {
		o.DriverConfig = orNil(o.DriverConfig)
		if len(o.Labels) == 0 {
			o.Labels = nil
		}
	}
	m.VolumeOptions, m.TmpfsOptions = orNil(m.VolumeOptions), orNil(m.TmpfsOptions)
}

// canonicalFiles names configs and secrets, and their files by absolute paths:
// a target without a "/" is put in the root for configs and in /run/secrets for
// secrets.
func canonicalFiles(c *swarm.ContainerSpec, names Names) {
	for _, r := range c.Configs {
		if name, ok := names.Configs[r.ConfigID]; ok {
			r.ConfigName = name
		}
		r.ConfigID = ""
		if f := r.File; f != nil {
			f.Name = absolute("/", f.Name)
			f.UID, f.GID = cmp.Or(f.UID, "0"), cmp.Or(f.GID, "0")
		}
	}
	for _, r := range c.Secrets {
		if name, ok := names.Secrets[r.SecretID]; ok {
			r.SecretName = name
		}
		r.SecretID = ""
		if f := r.File; f != nil {
			f.Name = absolute("/run/secrets", f.Name)
			f.UID, f.GID = cmp.Or(f.UID, "0"), cmp.Or(f.GID, "0")
		}
	}
	slices.SortFunc(c.Configs, func(a, b *swarm.ConfigReference) int {
		return cmp.Or(cmp.Compare(a.ConfigName, b.ConfigName), cmp.Compare(configFile(a), configFile(b)))
	})
	slices.SortFunc(c.Secrets, func(a, b *swarm.SecretReference) int {
		return cmp.Or(cmp.Compare(a.SecretName, b.SecretName), cmp.Compare(secretFile(a), secretFile(b)))
	})
}

func absolute(dir, name string) string {
	if path.IsAbs(name) {
		return path.Clean(name)
	}
	return path.Join(dir, name)
}

func configFile(r *swarm.ConfigReference) string {
	if r.File == nil {
		return ""
	}
	return r.File.Name
}

func secretFile(r *swarm.SecretReference) string {
	if r.File == nil {
		return ""
	}
	return r.File.Name
}

func canonicalMode(m *swarm.ServiceMode) {
	one := uint64(1)
	if reflect.ValueOf(*m).IsZero() {
		m.Replicated = &swarm.ReplicatedService{}
	}
	if m.Replicated != nil && m.Replicated.Replicas == nil {
		m.Replicated.Replicas = &one
	}
	if j := m.ReplicatedJob; j != nil {
		if j.MaxConcurrent == nil {
			j.MaxConcurrent = &one
		}
		if j.TotalCompletions == nil {
			total := *j.MaxConcurrent
			j.TotalCompletions = &total
		}
	}
}

func canonicalUpdate(u *swarm.UpdateConfig) {
	if u == nil {
		return
	}
	u.FailureAction = cmp.Or(u.FailureAction, swarm.UpdateFailureActionPause)
	u.Order = cmp.Or(u.Order, swarm.UpdateOrderStopFirst)
}

func canonicalEndpoint(e *swarm.EndpointSpec) *swarm.EndpointSpec {
	if e == nil {
		e = &swarm.EndpointSpec{}
	}
	e.Mode = cmp.Or(e.Mode, swarm.ResolutionModeVIP)
	for i := range e.Ports {
		p := &e.Ports[i]
		p.Protocol = cmp.Or(p.Protocol, swarm.PortConfigProtocolTCP)
		p.PublishMode = cmp.Or(p.PublishMode, swarm.PortConfigPublishModeIngress)
	}
	slices.SortFunc(e.Ports, comparePorts)
	return e
}

func comparePorts(a, b swarm.PortConfig) int {
	return cmp.Or(cmp.Compare(a.PublishedPort, b.PublishedPort), cmp.Compare(a.TargetPort, b.TargetPort),
		cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.PublishMode, b.PublishMode))
}

// orNil is nil for a pointer to nothing: an empty struct says no more than none.
func orNil[T any](p *T) *T {
	if p == nil || isEmpty(reflect.ValueOf(*p)) {
		return nil
	}
	return p
}

// isEmpty is IsZero that takes empty lists and maps for nothing, too.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.Struct:
		for i := range v.NumField() {
			if !isEmpty(v.Field(i)) {
				return false
			}
		}
		return true
	}
	return v.IsZero()
}

func nameOf(names map[string]string, id string) string {
	if name, ok := names[id]; ok {
		return name
	}
	return id
}

// nextSpec is what makes a stored service the wanted one, with names for IDs as
// in every wanted spec. Where the two agree in everything that canonical looks
// at, the stored task template and endpoint are kept as they are: any difference
// in them, even a restart counter or the platforms that another client wrote
// down, would replace tasks that the plan promised to leave alone.
func nextSpec(want, have swarm.ServiceSpec, names Names, api string) swarm.ServiceSpec {
	next, stored := copySpec(want), copySpec(have)
	a, b := supported(canonical(want, names), api), supported(canonical(have, names), api)
	if maps.Equal(flatten(a.TaskTemplate), flatten(b.TaskTemplate)) {
		next.TaskTemplate = stored.TaskTemplate
		if len(next.TaskTemplate.Networks) == 0 {
			next.TaskTemplate.Networks = *oldNetworks(&stored)
		}
		for i := range next.TaskTemplate.Networks {
			n := &next.TaskTemplate.Networks[i]
			n.Target = nameOf(names.Networks, n.Target)
		}
	}
	next.TaskTemplate.ForceUpdate = stored.TaskTemplate.ForceUpdate
	if stored.EndpointSpec != nil && maps.Equal(flatten(a.EndpointSpec), flatten(b.EndpointSpec)) {
		next.EndpointSpec = stored.EndpointSpec
	}
	return next
}

// canonicalConfig compares configs: data and templating by value, labels as a map.
func canonicalConfig(spec swarm.ConfigSpec) swarm.ConfigSpec {
	spec.Data = slices.Clone(spec.Data)
	spec.Labels = maps.Clone(spec.Labels)
	if t := spec.Templating; t != nil && t.Name == "" {
		spec.Templating = nil
	}
	return spec
}
