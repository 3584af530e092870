package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"strconv"
	"time"
)

// switchScript is the first process of a cluster's switch: a network namespace with
// a bridge and nothing else, so that what the nodes say to each other never meets
// the host's firewall. It ends with its owner, who holds its input.
const switchScript = `set -eu
mount -n --make-rprivate /
mount -n -t proc proc /proc
ip link set lo up
ip link add ` + bridgeName + ` type bridge
ip link set ` + bridgeName + ` up
echo ready
while read -r _; do :; done
`

const (
	bridgeName = "bridge0"
	uplinkName = "uplink"
)

// clusterPools are where clusters' subnets are taken from: beside those of single
// engines, so that the two never meet.
var clusterPools = []netip.Prefix{
	netip.MustParsePrefix("10.214.0.0/16"),
	netip.MustParsePrefix("172.29.214.0/24"),
	netip.MustParsePrefix("192.168.214.0/24"),
}

// clusterBits makes room for the host and 13 nodes.
const clusterBits = 28

// netSwitch is what the nodes of a cluster are plugged into.
type netSwitch struct {
	rec    record
	init   *supervisor
	prefix netip.Prefix
	host   netip.Addr
}

// startSwitch makes the namespace, its bridge and the link to the host. On error
// the caller removes what the record names.
func startSwitch(ctx context.Context, s *netSwitch) (err error) {
	if s.init, err = spawn(s.rec, switchScript, nil); err != nil {
		return err
	}
	s.rec.Init = s.init.process
	if err := s.rec.write(); err != nil {
		return err
	}
	ready, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	err = poll(ready, func(context.Context) error {
		select {
		case <-s.init.done:
			return fatal{errors.New("it ended")}
		default:
		}
		if logTail(s.rec.Dir, 1) != "ready" {
			return errors.New("its bridge is not up")
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("waiting for the cluster's switch: %w", err)
	}
	return s.addUplink(ctx)
}

// addUplink gives the host its address on the bridge. Two clusters that chose the
// same subnet at the same time both see it then, and both choose anew.
func (s *netSwitch) addUplink(ctx context.Context) error {
	_, err := run(ctx, "ip", "link", "add", s.rec.Link, "type", "veth", "peer", "name", uplinkName, "netns", s.pid())
	if err != nil {
		return fmt.Errorf("linking the cluster to the host: %w", err)
	}
	if err := s.plug(ctx, uplinkName); err != nil {
		return err
	}
	if _, err := run(ctx, "ip", "link", "set", s.rec.Link, "up"); err != nil {
		return fmt.Errorf("linking the cluster to the host: %w", err)
	}
	for range 8 {
		if s.prefix, err = freeBlock(ctx); err != nil {
			return err
		}
		s.host = s.prefix.Addr().Next()
		cidr := netip.PrefixFrom(s.host, clusterBits).String()
		if _, err := run(ctx, "ip", "addr", "add", cidr, "dev", s.rec.Link); err != nil {
			return fmt.Errorf("linking the cluster to the host: %w", err)
		}
		n, err := holders(s.prefix)
		if err != nil || n == 1 {
			return err
		}
		if _, err := run(ctx, "ip", "addr", "del", cidr, "dev", s.rec.Link); err != nil {
			return fmt.Errorf("linking the cluster to the host: %w", err)
		}
	}
	return errors.New("linking the cluster to the host: every subnet chosen was taken meanwhile")
}

// freeBlock picks a subnet for a cluster that nothing on this host overlaps.
func freeBlock(ctx context.Context) (netip.Prefix, error) {
	out, err := run(ctx, "ip", "-4", "route", "show", "table", "all")
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("looking for a free subnet: %w", err)
	}
	taken := parseRoutes(out)
	for _, pool := range clusterPools {
		for range 64 {
			if p := pickBlock(pool, rand.Uint32()); !overlaps(taken, p) {
				return p, nil
			}
		}
	}
	return netip.Prefix{}, errors.New("looking for a free subnet: this host routes 10.214.0.0/16, 172.29.214.0/24 and 192.168.214.0/24 already")
}

// pickBlock is the n-th /28 of the pool, counted around.
func pickBlock(pool netip.Prefix, n uint32) netip.Prefix {
	b := pool.Masked().Addr().As4()
	offset := (n % (1 << (clusterBits - pool.Bits()))) << (32 - clusterBits)
	b[2] |= byte(offset >> 8)
	b[3] |= byte(offset)
	return netip.PrefixFrom(netip.AddrFrom4(b), clusterBits)
}

// subnet is what the i-th node is told of the network, from 0.
func (s *netSwitch) subnet(i int) subnet {
	node := s.host
	for range i + 1 {
		node = node.Next()
	}
	return subnet{prefix: s.prefix, host: s.host, node: node}
}

func (s *netSwitch) pid() string { return strconv.Itoa(s.rec.Init.PID) }

// ip runs the ip tool among the switch's links.
func (s *netSwitch) ip(ctx context.Context, args ...string) error {
	_, err := run(ctx, "nsenter", append([]string{"--target", s.pid(), "--net", findTool("ip", "")}, args...)...)
	return err
}

// plug puts a link that is in the switch's namespace on the bridge.
func (s *netSwitch) plug(ctx context.Context, port string) error {
	if err := s.ip(ctx, "link", "set", port, "master", bridgeName, "up"); err != nil {
		return fmt.Errorf("plugging %s into the cluster's switch: %w", port, err)
	}
	return nil
}

// addPort makes a veth pair between the switch and the network namespace of pid.
func (s *netSwitch) addPort(ctx context.Context, port string, pid int) error {
	err := s.ip(ctx, "link", "add", port, "type", "veth", "peer", "name", innerLink, "netns", strconv.Itoa(pid))
	if err != nil {
		return fmt.Errorf("plugging %s into the cluster's switch: %w", port, err)
	}
	return s.plug(ctx, port)
}

func (s *netSwitch) close(ctx context.Context) error {
	if s.init != nil {
		_ = s.init.gate.Close()
	}
	if err := remove(ctx, s.rec); err != nil {
		return fmt.Errorf("closing the cluster's switch %s: %w", filepath.Base(s.rec.Dir), err)
	}
	if s.init != nil {
		<-s.init.done
	}
	return nil
}

// dropPort removes a port whose node is gone; the kernel takes its time with it.
func (s *netSwitch) dropPort(ctx context.Context, port string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return poll(ctx, func(ctx context.Context) error {
		if s.ip(ctx, "link", "show", port) != nil {
			return nil // there is none any more
		}
		_ = s.ip(ctx, "link", "del", port)
		return errors.New("the port is still there")
	})
}
