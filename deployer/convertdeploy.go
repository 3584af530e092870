package deployer

import (
	"cmp"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/swarm"
)

func (c *converter) mode(name string, d types.DeployConfig) swarm.ServiceMode {
	replicas := uint64(1)
	if d.Replicas != nil {
		if *d.Replicas < 0 {
			c.fail("", "service %q: deploy.replicas is %d; expected 0 or more", name, *d.Replicas)
			return swarm.ServiceMode{}
		}
		replicas = uint64(*d.Replicas)
	}
	switch d.Mode {
	case "", "replicated":
		return swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &replicas}}
	case "replicated-job":
		total := replicas
		return swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{MaxConcurrent: &replicas, TotalCompletions: &total}}
	}
	if d.Replicas != nil {
		c.fail("leave deploy.replicas out", "service %q: mode %s has no replicas", name, d.Mode)
	}
	switch d.Mode {
	case "global":
		return swarm.ServiceMode{Global: &swarm.GlobalService{}}
	case "global-job":
		return swarm.ServiceMode{GlobalJob: &swarm.GlobalJob{}}
	}
	c.fail("", "service %q: deploy.mode %q; expected replicated, global, replicated-job or global-job", name, d.Mode)
	return swarm.ServiceMode{}
}

// updateConfig fills in one task at a time, as docker's client does: the API's
// own zero means all at once.
func (c *converter) updateConfig(name, key string, u *types.UpdateConfig) *swarm.UpdateConfig {
	if u == nil {
		return nil
	}
	if !slices.Contains([]string{"", "pause", "continue", "rollback"}, u.FailureAction) || key == "rollback_config" && u.FailureAction == "rollback" {
		c.fail("", "service %q: deploy.%s.failure_action %q; expected pause or continue, or in an update rollback", name, key, u.FailureAction)
	}
	if !slices.Contains([]string{"", "stop-first", "start-first"}, u.Order) {
		c.fail("", "service %q: deploy.%s.order %q; expected stop-first or start-first", name, key, u.Order)
	}
	if u.MaxFailureRatio < 0 || u.MaxFailureRatio > 1 {
		c.fail("", "service %q: deploy.%s.max_failure_ratio %v; expected 0 to 1", name, key, u.MaxFailureRatio)
	}
	config := &swarm.UpdateConfig{
		Parallelism:     1,
		Delay:           time.Duration(u.Delay),
		FailureAction:   u.FailureAction,
		Monitor:         time.Duration(u.Monitor),
		MaxFailureRatio: u.MaxFailureRatio,
		Order:           u.Order,
	}
	if u.Parallelism != nil {
		config.Parallelism = *u.Parallelism
	}
	return config
}

// restartPolicy takes deploy.restart_policy, else what restart says, as docker
// does and its documentation denies.
func (c *converter) restartPolicy(name string, s types.ServiceConfig, p *types.RestartPolicy) *swarm.RestartPolicy {
	if p == nil {
		return c.restart(name, s.Restart)
	}
	if s.Restart != "" {
		c.warn("service %q: swarm ignores restart beside deploy.restart_policy", name)
	}
	condition := swarm.RestartPolicyCondition(p.Condition)
	if !slices.Contains([]swarm.RestartPolicyCondition{"", "none", "on-failure", "any"}, condition) {
		c.fail("", "service %q: deploy.restart_policy.condition %q; expected none, on-failure or any", name, condition)
	}
	return &swarm.RestartPolicy{Condition: condition, Delay: duration(p.Delay), MaxAttempts: p.MaxAttempts, Window: duration(p.Window)}
}

func (c *converter) restart(name, restart string) *swarm.RestartPolicy {
	kind, count, _ := strings.Cut(restart, ":")
	switch kind {
	case "":
		return nil
	case "always", "unless-stopped":
		c.warn("service %q: restart %q is read as deploy.restart_policy.condition any", name, restart)
		return &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionAny}
	case "on-failure":
		c.warn("service %q: restart %q is read as deploy.restart_policy.condition on-failure", name, restart)
		policy := &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionOnFailure}
		if attempts, err := strconv.ParseUint(cmp.Or(count, "0"), 10, 64); err == nil {
			policy.MaxAttempts = &attempts
		}
		return policy
	}
	c.warn("service %q: swarm ignores restart %q; it restarts tasks unless deploy.restart_policy says otherwise", name, restart)
	return nil
}

func (c *converter) resources(name string, r types.Resources) *swarm.ResourceRequirements {
	var out swarm.ResourceRequirements
	if l := r.Limits; l != nil {
		out.Limits = &swarm.Limit{NanoCPUs: c.nanoCPUs(name, l.NanoCPUs), MemoryBytes: int64(l.MemoryBytes), Pids: l.Pids}
		c.ignoredResources(name, "limits", *l, false)
	}
	if l := r.Reservations; l != nil {
		out.Reservations = &swarm.Resources{NanoCPUs: c.nanoCPUs(name, l.NanoCPUs), MemoryBytes: int64(l.MemoryBytes)}
		for _, g := range l.GenericResources {
			if d := g.DiscreteResourceSpec; d != nil {
				out.Reservations.GenericResources = append(out.Reservations.GenericResources, swarm.GenericResource{
					DiscreteResourceSpec: &swarm.DiscreteGenericResource{Kind: d.Kind, Value: d.Value},
				})
			}
		}
		c.ignoredResources(name, "reservations", *l, true)
	}
	return orNil(&out)
}

func (c *converter) ignoredResources(name, key string, r types.Resource, reservation bool) {
	if len(r.Devices) > 0 {
		c.warn("service %q: swarm ignores deploy.resources.%s.devices", name, key)
	}
	if reservation && r.Pids != 0 {
		c.warn("service %q: swarm ignores deploy.resources.%s.pids", name, key)
	}
	if !reservation && len(r.GenericResources) > 0 {
		c.warn("service %q: swarm ignores deploy.resources.%s.generic_resources", name, key)
	}
}

// nanoCPUs counts in billionths. compose-go holds a float32, so the number is
// taken from its shortest decimal form: 0.1 is 100000000 and not 100000001.
func (c *converter) nanoCPUs(name string, cpus types.NanoCPUs) int64 {
	decimal := strconv.FormatFloat(float64(cpus), 'g', -1, 32)
	r, ok := new(big.Rat).SetString(decimal)
	if ok {
		r.Mul(r, big.NewRat(1e9, 1))
	}
	if !ok || !r.IsInt() || r.Sign() < 0 || !r.Num().IsInt64() {
		c.fail("", "service %q: cpus %s; expected a number of CPUs with at most nine decimals", name, decimal)
		return 0
	}
	return r.Num().Int64()
}

func (c *converter) placement(p types.Placement) *swarm.Placement {
	out := &swarm.Placement{Constraints: slices.Clone(p.Constraints), MaxReplicas: p.MaxReplicas}
	for _, preference := range p.Preferences {
		out.Preferences = append(out.Preferences, swarm.PlacementPreference{Spread: &swarm.SpreadOver{SpreadDescriptor: preference.Spread}})
	}
	return orNil(out)
}

func (c *converter) endpoint(name string, s types.ServiceConfig, d types.DeployConfig) *swarm.EndpointSpec {
	e := &swarm.EndpointSpec{Mode: swarm.ResolutionMode(strings.ToLower(d.EndpointMode))}
	for _, p := range s.Ports {
		if port, ok := c.port(name, p); ok {
			e.Ports = append(e.Ports, port)
		}
		if e.Mode == swarm.ResolutionModeDNSRR && p.Mode != "host" {
			c.fail("publish it with mode: host", "service %q: endpoint_mode dnsrr cannot publish port %d through the ingress network", name, p.Target)
		}
	}
	if !slices.Contains([]swarm.ResolutionMode{"", swarm.ResolutionModeVIP, swarm.ResolutionModeDNSRR}, e.Mode) {
		c.fail("", "service %q: deploy.endpoint_mode %q; expected vip or dnsrr", name, d.EndpointMode)
	}
	slices.SortFunc(e.Ports, comparePorts)
	return e
}

func (c *converter) port(name string, p types.ServicePortConfig) (swarm.PortConfig, bool) {
	var published uint64
	if p.Published != "" {
		var err error
		if published, err = strconv.ParseUint(p.Published, 10, 16); err != nil {
			c.fail("write one port for each", "service %q: published port %q; expected one number from 1 to 65535", name, p.Published)
			return swarm.PortConfig{}, false
		}
	}
	if p.Target == 0 || p.Target > 65535 {
		c.fail("", "service %q: target port %d; expected a number from 1 to 65535", name, p.Target)
		return swarm.PortConfig{}, false
	}
	if p.HostIP != "" && p.HostIP != "0.0.0.0" && p.HostIP != "::" {
		// Ignoring it would open to the world what was meant for one address.
		c.fail("leave the address out, and guard the port with a firewall or do not publish it",
			"service %q: port %s is published on %s alone, and swarm publishes on every address", name, p.Published, p.HostIP)
	}
	if p.AppProtocol != "" {
		c.warn("service %q: swarm ignores app_protocol of port %d", name, p.Target)
	}
	protocol := strings.ToLower(p.Protocol)
	if !slices.Contains([]string{"", "tcp", "udp", "sctp"}, protocol) {
		c.fail("", "service %q: protocol %q of port %d; expected tcp, udp or sctp", name, p.Protocol, p.Target)
	}
	if !slices.Contains([]string{"", "ingress", "host"}, p.Mode) {
		c.fail("", "service %q: mode %q of port %d; expected ingress or host", name, p.Mode, p.Target)
	}
	return swarm.PortConfig{
		Name:          p.Name,
		Protocol:      swarm.PortConfigProtocol(cmp.Or(protocol, "tcp")),
		TargetPort:    p.Target,
		PublishedPort: uint32(published),
		PublishMode:   swarm.PortConfigPublishMode(cmp.Or(p.Mode, "ingress")),
	}, true
}
