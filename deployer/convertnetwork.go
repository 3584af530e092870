package deployer

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
)

// defaultNetwork is the key of the network that a service without any joins.
const defaultNetwork = "default"

// serviceNetworks are a service's attachments, by name: its networks, else what
// network_mode says, else the stack's default network. On every network of its
// own a service answers to its compose name.
func (c *converter) serviceNetworks(service string, s types.ServiceConfig) []swarm.NetworkAttachmentConfig {
	if s.NetworkMode != "" {
		if len(s.Networks) > 0 {
			c.fail("", "service %q: has both networks and network_mode", service)
		}
		return c.networkMode(service, s.NetworkMode)
	}
	networks := s.Networks
	if len(networks) == 0 {
		networks = map[string]*types.ServiceNetworkConfig{defaultNetwork: nil}
	}
	var attached []swarm.NetworkAttachmentConfig
	for _, key := range slices.Sorted(maps.Keys(networks)) {
		full, ok := c.network(service, key)
		if !ok {
			continue
		}
		attachment := swarm.NetworkAttachmentConfig{Target: full}
		if n := networks[key]; n != nil {
			attachment.Aliases = slices.Clone(n.Aliases)
			attachment.DriverOpts = maps.Clone(map[string]string(n.DriverOpts))
			c.ignoredAttachment(service, key, *n)
		}
		if !predefined(full) {
			attachment.Aliases = append(attachment.Aliases, service)
		} else if len(attachment.Aliases) > 0 {
			c.warn("service %q: network %q has no aliases", service, full)
			attachment.Aliases = nil
		}
		attached = append(attached, attachment)
	}
	slices.SortFunc(attached, func(a, b swarm.NetworkAttachmentConfig) int { return cmp.Compare(a.Target, b.Target) })
	return attached
}

// networkMode knows the networks that every node has. A mode that joins another
// container cannot be had: tasks are on nodes of their own.
func (c *converter) networkMode(service, mode string) []swarm.NetworkAttachmentConfig {
	if !predefined(mode) {
		c.fail("put both services into one network", "service %q: network_mode %q; expected host, bridge or none", service, mode)
		return nil
	}
	c.out.Networks[mode] = Network{Name: mode, External: true}
	return []swarm.NetworkAttachmentConfig{{Target: mode}}
}

func (c *converter) ignoredAttachment(service, key string, n types.ServiceNetworkConfig) {
	var ignored []string
	for name, set := range map[string]bool{
		"ipv4_address": n.Ipv4Address != "", "ipv6_address": n.Ipv6Address != "",
		"link_local_ips": len(n.LinkLocalIPs) > 0, "mac_address": n.MacAddress != "",
		"priority": n.Priority != 0, "gw_priority": n.GatewayPriority != 0, "interface_name": n.InterfaceName != "",
		"use_service_name_alias": n.UseServiceNameAlias != nil && !*n.UseServiceNameAlias,
	} {
		if set {
			ignored = append(ignored, name)
		}
	}
	if len(ignored) > 0 {
		slices.Sort(ignored)
		c.warn("service %q: swarm ignores %s of network %q", service, strings.Join(ignored, ", "), key)
	}
}

// network converts the network with that key on its first use. The default one
// need not be declared.
func (c *converter) network(service, key string) (full string, ok bool) {
	n, ok := c.project.Networks[key]
	if !ok && key != defaultNetwork {
		c.fail("", "service %q: network %q is not declared under networks", service, key)
		return "", false
	}
	full = cmp.Or(n.Name, c.full(key))
	if bool(n.External) {
		full = cmp.Or(n.Name, key)
	}
	if !c.use("network", key) {
		return full, true
	}
	if c.checkName("network", key, full, serviceNames) {
		made := Network{Name: full, External: bool(n.External)}
		if !made.External {
			made.Options = c.networkOptions(n)
		}
		c.out.Networks[full] = made
	}
	return full, true
}

func (c *converter) networkOptions(n types.NetworkConfig) network.CreateOptions {
	options := network.CreateOptions{
		Driver:     cmp.Or(n.Driver, defaultDriver),
		EnableIPv4: n.EnableIPv4,
		EnableIPv6: n.EnableIPv6,
		Internal:   n.Internal,
		Attachable: n.Attachable,
		Options:    maps.Clone(map[string]string(n.DriverOpts)),
		Labels:     c.labels(n.Labels),
	}
	if n.Ipam.Driver == "" && len(n.Ipam.Config) == 0 && len(n.Ipam.Options) == 0 {
		return options
	}
	options.IPAM = &network.IPAM{Driver: n.Ipam.Driver, Options: maps.Clone(map[string]string(n.Ipam.Options))}
	for _, pool := range n.Ipam.Config {
		if pool == nil {
			continue
		}
		options.IPAM.Config = append(options.IPAM.Config, network.IPAMConfig{
			Subnet: pool.Subnet, IPRange: pool.IPRange, Gateway: pool.Gateway,
			AuxAddress: maps.Clone(map[string]string(pool.AuxiliaryAddresses)),
		})
	}
	return options
}
