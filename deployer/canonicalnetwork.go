package deployer

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/network"
)

// canonicalNetwork brings a network's options to the form in which a wanted and
// a current network compare. want is the wanted side of the two: the address
// ranges that the engine chose by itself count only when the recipe names some.
func canonicalNetwork(n, want network.CreateOptions) network.CreateOptions {
	c := network.CreateOptions{
		Driver:     cmp.Or(n.Driver, defaultDriver),
		Internal:   n.Internal,
		Attachable: n.Attachable,
		Labels:     maps.Clone(n.Labels),
		Options:    maps.Clone(n.Options),
	}
	maps.DeleteFunc(c.Options, func(name, _ string) bool {
		// What the overlay driver writes down for itself.
		return name == "com.docker.network.driver.overlay.vxlanid_list"
	})
	if n.EnableIPv6 != nil && *n.EnableIPv6 {
		c.EnableIPv6 = n.EnableIPv6
	}
	if want.IPAM != nil && len(want.IPAM.Config) > 0 && n.IPAM != nil {
		c.IPAM = canonicalIPAM(*n.IPAM, *want.IPAM)
	}
	return c
}

const defaultDriver = "overlay"

// canonicalIPAM leaves out what the wanted side does not say: the engine picks a
// gateway in every subnet.
func canonicalIPAM(ipam, want network.IPAM) *network.IPAM {
	c := network.IPAM{Options: maps.Clone(ipam.Options)}
	if ipam.Driver != "default" {
		c.Driver = ipam.Driver
	}
	wanted := map[string]network.IPAMConfig{}
	for _, pool := range want.Config {
		wanted[pool.Subnet] = pool
	}
	for _, pool := range ipam.Config {
		if pool.Gateway = strings.Split(pool.Gateway, "/")[0]; wanted[pool.Subnet].Gateway == "" {
			pool.Gateway = ""
		}
		c.Config = append(c.Config, pool)
	}
	slices.SortFunc(c.Config, func(a, b network.IPAMConfig) int { return cmp.Compare(a.Subnet, b.Subnet) })
	return &c
}
