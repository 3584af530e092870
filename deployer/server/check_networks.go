package server

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"regexp"
	"slices"

	"github.com/docker/docker/api/types/network"
)

// proxyNetwork is the network that recipes have their apps join the proxy on.
const proxyNetwork = "proxy"

// subnet is an IPv4 or IPv6 subnet, and what it is of, in words.
type subnet struct {
	prefix netip.Prefix
	of     string
}

// checkNetworks looks for subnets that overlap: of the engine's networks with each
// other and with the machine's routes, and of the swarm's address pool with both kinds.
// What is behind a route is out of reach of a task whose network has the same addresses.
func checkNetworks(s *Survey) []Finding {
	var found []Finding
	for _, l := range s.answering() {
		if l.NetworksErr != nil {
			found = append(found, Finding{"networks", NotKnown, l.Host(), "the networks cannot be listed: " + l.NetworksErr.Error(), ""})
			continue
		}
		found = append(found, checkSubnets(l)...)
	}
	return found
}

func checkSubnets(l *Look) []Finding {
	nets, routes := subnetsOf(l.Networks), routesOf(l)
	var found []Finding
	for i, a := range nets {
		for _, b := range nets[i+1:] {
			if a.prefix.Overlaps(b.prefix) {
				found = append(found, Finding{"networks", Failed, l.Host(), fmt.Sprintf("%s and %s overlap", a, b),
					"make one of them anew with another subnet"})
			}
		}
		for _, r := range routes {
			if a.prefix.Overlaps(r.prefix) {
				found = append(found, Finding{"networks", Failed, l.Host(), fmt.Sprintf("%s overlaps %s: tasks on it cannot reach what is there", a, r),
					"make the network anew with another subnet; galley server bootstrap --default-addr-pool chooses where a new swarm takes them from"})
			}
		}
	}
	found = append(found, checkPools(l, routes)...)
	if len(found) > 0 {
		return found
	}
	text := fmt.Sprintf("%s, and none overlaps another", counted(len(nets), "subnet"))
	if l.Facts == nil {
		return []Finding{{"networks", OK, l.Host(), text, ""},
			{"networks", NotKnown, l.Host(), "whether the node's routes overlap them: " + l.FactsErr.Error(), "on that node: ip route"}}
	}
	return []Finding{{"networks", OK, l.Host(), text + ", nor a route of the node", ""}}
}

// checkPools warns of subnets that the swarm could soon give to a network.
func checkPools(l *Look, routes []subnet) []Finding {
	cluster := l.Info.Swarm.Cluster
	if cluster == nil {
		return nil
	}
	var local []subnet
	for _, p := range l.Info.DefaultAddressPools {
		if prefix, err := netip.ParsePrefix(p.Base); err == nil {
			local = append(local, subnet{prefix.Masked(), "the engine's own address pool"})
		}
	}
	var found []Finding
	for _, text := range cluster.DefaultAddrPool {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			continue
		}
		pool := subnet{prefix.Masked(), "the swarm's address pool"}
		for _, other := range slices.Concat(routes, local) {
			if soon(pool.prefix, other.prefix, int(cmp.Or(cluster.SubnetSize, swarmSubnet))) {
				found = append(found, Finding{"networks", Warning, l.Host(), fmt.Sprintf("%s has %s among its first subnets: a network made later may get those addresses", pool, other),
					"galley server bootstrap --default-addr-pool chooses another for a new swarm; in this one, give networks subnets by hand"})
			}
		}
	}
	return found
}

const (
	// swarmSubnet is how many bits the subnets have that swarm takes from its pool.
	swarmSubnet = 24
	// nearSubnets is how many of them a swarm may come to need. It takes the lowest that
	// is free: addresses far up in the pool of 10.0.0.0/8 are in nobody's way.
	nearSubnets = 1024
)

// soon tells whether a pool's first subnets reach into other.
func soon(pool, other netip.Prefix, bits int) bool {
	if !pool.Overlaps(other) || !pool.Addr().Is4() {
		return false
	}
	ahead := ordinal(other.Addr()) - ordinal(pool.Addr()) // negative where other begins before
	return ahead>>(32-bits) < nearSubnets
}

func ordinal(a netip.Addr) int64 {
	raw := a.As4()
	return int64(binary.BigEndian.Uint32(raw[:]))
}

func (s subnet) String() string { return fmt.Sprintf("%s (%s)", s.of, s.prefix) }

// subnetsOf are those of the networks that galley's apps and the engine itself make.
// Networks that have the host's addresses by design are left out.
func subnetsOf(networks []network.Summary) []subnet {
	var all []subnet
	for _, n := range networks {
		if n.ConfigOnly || slices.Contains([]string{"host", "null", "macvlan", "ipvlan"}, n.Driver) {
			continue
		}
		for _, c := range n.IPAM.Config {
			if prefix, err := netip.ParsePrefix(c.Subnet); err == nil {
				all = append(all, subnet{prefix.Masked(), fmt.Sprintf("network %q", n.Name)})
			}
		}
	}
	return all
}

// engineInterface are names that the engine gives its own interfaces.
var engineInterface = regexp.MustCompile(`^(docker0|docker_gwbridge|docker_gwb[0-9a-f_]*|br-[0-9a-f]{12}|veth[0-9a-f]+)$`)

// routesOf are the machine's routes but for those to the engine's own networks.
func routesOf(l *Look) []subnet {
	if l.Facts == nil {
		return nil
	}
	var own []string
	for _, n := range l.Networks {
		own = append(own, n.Options["com.docker.network.bridge.name"])
	}
	var all []subnet
	for _, r := range l.Facts.Routes {
		if !engineInterface.MatchString(r.Interface) && !slices.Contains(own, r.Interface) {
			all = append(all, subnet{r.Subnet.Masked(), "the node's route by " + r.Interface})
		}
	}
	return all
}

// checkProxy tells whether the network is there that recipes join.
func checkProxy(s *Survey) []Finding {
	m := s.Manager()
	if m == nil || m.NetworksErr != nil {
		return nil
	}
	i := slices.IndexFunc(m.Networks, func(n network.Summary) bool { return n.Name == proxyNetwork })
	if i < 0 {
		return []Finding{{"proxy", Failed, "", `there is no network "proxy", which apps and their proxy join`,
			"docker network create --driver overlay --attachable proxy; galley server bootstrap makes it, too"}}
	}
	switch n := m.Networks[i]; {
	case n.Driver != "overlay" || n.Scope != "swarm":
		return []Finding{{"proxy", Failed, "", fmt.Sprintf(`the network "proxy" has the driver %q and the scope %q: services join overlay networks of the swarm only`, n.Driver, n.Scope),
			"docker network rm proxy, then docker network create --driver overlay --attachable proxy"}}
	case !n.Attachable:
		return []Finding{{"proxy", OK, "", `the network "proxy" is an overlay for services; containers outside of the swarm cannot join it`, ""}}
	}
	return []Finding{{"proxy", OK, "", `the network "proxy" is an attachable overlay`, ""}}
}
