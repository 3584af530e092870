package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// innerLink is the name of the link's end in the engine's network namespace.
const innerLink = "eth0"

// subnet is a /30: one address for the host, one for the engine.
type subnet struct {
	prefix     netip.Prefix
	host, node netip.Addr
}

// pools are where subnets are taken from. They are private networks (RFC 1918), which
// registry clients ask over plain http unprompted.
var pools = []netip.Prefix{
	netip.MustParsePrefix("10.213.0.0/16"),
	netip.MustParsePrefix("172.29.213.0/24"),
	netip.MustParsePrefix("192.168.213.0/24"),
}

// freeSubnet picks a subnet that no route and no address of this host overlaps. It
// is a random one, so that engines started at the same time hardly meet.
func freeSubnet(ctx context.Context) (subnet, error) {
	out, err := run(ctx, "ip", "-4", "route", "show", "table", "all")
	if err != nil {
		return subnet{}, fmt.Errorf("looking for a free subnet: %w", err)
	}
	taken := parseRoutes(out)
	for _, pool := range pools {
		for range 64 {
			if s := pickSubnet(pool, rand.Uint32()); !overlaps(taken, s.prefix) {
				return s, nil
			}
		}
	}
	return subnet{}, errors.New("looking for a free subnet: this host routes 10.213.0.0/16, 172.29.213.0/24 and 192.168.213.0/24 already")
}

// pickSubnet is the n-th /30 of the pool, counted around.
func pickSubnet(pool netip.Prefix, n uint32) subnet {
	b := pool.Masked().Addr().As4()
	offset := (n % (1 << (30 - pool.Bits()))) << 2
	b[1] |= byte(offset >> 16)
	b[2] |= byte(offset >> 8)
	b[3] |= byte(offset)
	base := netip.AddrFrom4(b)
	host := base.Next()
	return subnet{prefix: netip.PrefixFrom(base, 30), host: host, node: host.Next()}
}

// parseRoutes reads what `ip route show` prints: an optional type, then a prefix or
// an address. Routes shorter than /8 are ways out of the machine, not networks of it.
func parseRoutes(text string) []netip.Prefix {
	var found []netip.Prefix
	for line := range strings.Lines(text) {
		for _, field := range strings.Fields(line)[:min(2, len(strings.Fields(line)))] {
			p, err := netip.ParsePrefix(field)
			if a, aerr := netip.ParseAddr(field); aerr == nil {
				p, err = netip.PrefixFrom(a, a.BitLen()), nil
			}
			if err == nil && p.Bits() >= 8 {
				found = append(found, p.Masked())
				break
			}
		}
	}
	return found
}

func overlaps(taken []netip.Prefix, p netip.Prefix) bool {
	for _, t := range taken {
		if t.Overlaps(p) {
			return true
		}
	}
	return false
}

// addLink makes a veth pair between the host and the network namespace of pid, and
// gives the host's end its address. Two engines that chose the same subnet at the
// same time both see it then, and both choose anew.
func addLink(ctx context.Context, name string, pid int, s subnet) (subnet, error) {
	_, err := run(ctx, "ip", "link", "add", name, "type", "veth",
		"peer", "name", innerLink, "netns", strconv.Itoa(pid))
	if err != nil {
		return s, fmt.Errorf("linking the engine to the host: %w", err)
	}
	if _, err := run(ctx, "ip", "link", "set", name, "up"); err != nil {
		return s, fmt.Errorf("linking the engine to the host: %w", err)
	}
	for range 8 {
		cidr := netip.PrefixFrom(s.host, s.prefix.Bits()).String()
		if _, err := run(ctx, "ip", "addr", "add", cidr, "dev", name); err != nil {
			return s, fmt.Errorf("linking the engine to the host: %w", err)
		}
		n, err := holders(s.prefix)
		if err != nil || n == 1 {
			return s, err
		}
		if _, err := run(ctx, "ip", "addr", "del", cidr, "dev", name); err != nil {
			return s, fmt.Errorf("linking the engine to the host: %w", err)
		}
		if s, err = freeSubnet(ctx); err != nil {
			return s, err
		}
	}
	return s, errors.New("linking the engine to the host: every subnet chosen was taken meanwhile")
}

// holders counts this host's addresses within p.
func holders(p netip.Prefix) (int, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return 0, fmt.Errorf("listing this host's addresses: %w", err)
	}
	n := 0
	for _, a := range addrs {
		if ip, err := netip.ParsePrefix(a.String()); err == nil && p.Contains(ip.Addr()) {
			n++
		}
	}
	return n, nil
}

// removeLink deletes the link, both ends, if it is still there.
func removeLink(ctx context.Context, name string) error {
	if !linkExists(name) {
		return nil
	}
	if _, err := run(ctx, "ip", "link", "del", name); err != nil && linkExists(name) {
		return fmt.Errorf("removing the engine's link: %w", err)
	}
	return nil
}

func linkExists(name string) bool {
	_, err := net.InterfaceByName(name)
	return err == nil
}
