package deployer

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
)

// newField is a field that engines before some API version drop without a word.
type newField struct {
	api   string // the first version that keeps it
	name  string // the compose key
	clear func(*swarm.ContainerSpec) bool
}

// newFields are those that conversion sets, by the engine API's version history.
var newFields = []newField{
	{"1.41", "cap_add", func(c *swarm.ContainerSpec) bool { return clearList(&c.CapabilityAdd) }},
	{"1.41", "cap_drop", func(c *swarm.ContainerSpec) bool { return clearList(&c.CapabilityDrop) }},
	{"1.41", "ulimits", func(c *swarm.ContainerSpec) bool { return clearList(&c.Ulimits) }},
	{"1.44", "healthcheck.start_interval", func(c *swarm.ContainerSpec) bool {
		if c.Healthcheck == nil || c.Healthcheck.StartInterval == 0 {
			return false
		}
		c.Healthcheck.StartInterval = 0
		c.Healthcheck = orNil(c.Healthcheck)
		return true
	}},
	{"1.44", "security_opt no-new-privileges", func(c *swarm.ContainerSpec) bool {
		if c.Privileges == nil || !c.Privileges.NoNewPrivileges {
			return false
		}
		c.Privileges.NoNewPrivileges = false
		c.Privileges = orNil(c.Privileges)
		return true
	}},
	{"1.45", "volumes.volume.subpath", func(c *swarm.ContainerSpec) bool {
		cleared := false
		for i := range c.Mounts {
			if o := c.Mounts[i].VolumeOptions; o != nil && o.Subpath != "" {
				o.Subpath, cleared = "", true
				c.Mounts[i].VolumeOptions = orNil(o)
			}
		}
		return cleared
	}},
	{"1.46", "oom_score_adj", func(c *swarm.ContainerSpec) bool {
		set := c.OomScoreAdj != 0
		c.OomScoreAdj = 0
		return set
	}},
}

// Drops are the compose keys that an engine of that API version stores nothing of, and
// says nothing about; none for a version that is not known.
func Drops(api string) []string {
	var keys []string
	for _, f := range newFields {
		if olderAPI(api, f.api) {
			keys = append(keys, f.name)
		}
	}
	return keys
}

// OlderAPI tells whether an API version is before another; what is no version is not.
func OlderAPI(a, b string) bool { return olderAPI(a, b) }

func clearList[T any](list *[]T) bool {
	set := len(*list) > 0
	*list = nil
	return set
}

// supported is a canonical spec without what an engine of that API version
// would drop; an unknown version ("") drops nothing. spec is changed in place.
func supported(spec swarm.ServiceSpec, api string) swarm.ServiceSpec {
	dropUnsupported(&spec, api)
	return spec
}

func dropUnsupported(spec *swarm.ServiceSpec, api string) []string {
	var dropped []string
	for _, f := range newFields {
		if spec.TaskTemplate.ContainerSpec != nil && olderAPI(api, f.api) && f.clear(spec.TaskTemplate.ContainerSpec) {
			dropped = append(dropped, f.name)
		}
	}
	return dropped
}

// droppedWarnings says which keys of a wanted stack the engine will not keep, or not
// work with.
func droppedWarnings(stack *Stack, api string) []string {
	var warnings []string
	for name, service := range stack.Services {
		spec := copySpec(service.Spec)
		for _, key := range dropUnsupported(&spec, api) {
			warnings = append(warnings, fmt.Sprintf("service %q: the engine (API %s) drops %s without a word", name, api, key))
		}
	}
	for name, n := range stack.Networks {
		if n.External {
			continue
		}
		if off := n.Options.EnableIPv4; off != nil && !*off && olderAPI(api, "1.47") { // later ones refuse it
			warnings = append(warnings, fmt.Sprintf("network %q: the engine (API %s) drops enable_ipv4 without a word", name, api))
		}
		if hasIPv6Pool(n) && api != "" && !olderAPI(api, ipv6PoolsBefore) {
			warnings = append(warnings, fmt.Sprintf("network %q: swarm on this engine (API %s) never sets up a network with an IPv6 subnet, and tasks on it do not start", name, api))
		}
	}
	slices.Sort(warnings)
	return warnings
}

// ipv6PoolsBefore is the first API version whose engine is not known to set up an
// overlay network with an IPv6 subnet: Engine 20.10 (1.41) does, 28.5 (1.51) takes
// the request and leaves the network without a driver for ever.
const ipv6PoolsBefore = "1.42"

func hasIPv6Pool(n Network) bool {
	return n.Options.IPAM != nil && slices.ContainsFunc(n.Options.IPAM.Config, func(pool network.IPAMConfig) bool {
		return strings.Contains(pool.Subnet, ":")
	})
}

// olderAPI tells whether version a is before b; "" and what is no version are not.
func olderAPI(a, b string) bool {
	major, minor, ok := splitAPI(a)
	wantMajor, wantMinor, _ := splitAPI(b)
	return ok && (major < wantMajor || major == wantMajor && minor < wantMinor)
}

func splitAPI(s string) (major, minor int, ok bool) {
	left, right, _ := strings.Cut(s, ".")
	major, err := strconv.Atoi(left)
	minor, err2 := strconv.Atoi(right)
	return major, minor, err == nil && err2 == nil
}
