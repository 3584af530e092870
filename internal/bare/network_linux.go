package bare

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	bridgeLink  = "bridge0"
	uplink      = "uplink"
	machineLink = "eth0"
	// netBits makes room for the host and 13 machines.
	netBits = 28
	// dialTime is how long something that was just started may take to be there.
	dialTime = time.Minute
)

// pool is where sites' subnets are taken from: beside those of internal/engine. It is a
// private network (RFC 1918), whose registries are asked over plain http.
var pool = netip.MustParsePrefix("10.215.0.0/16")

// network is a bridge in a namespace of its own, and a link from there to the host. It
// ends with its process, and touches neither the host's firewall nor its routing.
type network struct {
	process *process
	link    string // the host's end
	prefix  netip.Prefix
	host    netip.Addr
}

// switchScript ends with the process that holds its input.
const switchScript = `set -eu
mount -n --make-rprivate /
mount -n -t proc proc /proc
ip link set lo up
ip link add ` + bridgeLink + ` type bridge
ip link set ` + bridgeLink + ` up
echo ready
while read -r _; do :; done
`

func startNetwork(ctx context.Context, id string) (n *network, err error) {
	cmd := exec.Command("sh", "-c", switchScript, "galley-bare-switch")
	if _, err := cmd.StdinPipe(); err != nil { // held until the process is killed
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	n = &network{link: "gb" + id}
	if n.process, err = spawn(cmd, syscall.CLONE_NEWNS|syscall.CLONE_NEWPID|syscall.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("starting the machines' network: %w", err)
	}
	said := make([]byte, 64)
	if k, _ := out.Read(said); strings.TrimSpace(string(said[:k])) != "ready" {
		return nil, errors.Join(errors.New("starting the machines' network: its bridge did not come up"), n.close(ctx))
	}
	if err := n.linkHost(ctx); err != nil {
		return nil, errors.Join(err, n.close(ctx))
	}
	return n, nil
}

// linkHost gives the host an address on the bridge, in a subnet that it has no route to.
func (n *network) linkHost(ctx context.Context) error {
	routes, err := run(ctx, toolTimeout, "ip", "-4", "route", "show", "table", "all")
	if err != nil {
		return err
	}
	if n.prefix, err = freePrefix(routes); err != nil {
		return err
	}
	n.host = n.prefix.Addr().Next()
	return n.ip(ctx, []string{
		"link add " + n.link + " type veth peer name " + uplink + " netns " + strconv.Itoa(n.process.pid()),
		"addr add " + netip.PrefixFrom(n.host, netBits).String() + " dev " + n.link,
		"link set " + n.link + " up",
	}, n.inside("link set "+uplink+" master "+bridgeLink+" up"))
}

// inside is an ip command in the bridge's namespace.
func (n *network) inside(command string) []string {
	return append([]string{"nsenter", "--target", strconv.Itoa(n.process.pid()), "--net", "ip"}, strings.Fields(command)...)
}

// ip runs ip commands on the host, and then others.
func (n *network) ip(ctx context.Context, here []string, others ...[]string) error {
	var all [][]string
	for _, c := range here {
		all = append(all, append([]string{"ip"}, strings.Fields(c)...))
	}
	for _, c := range append(all, others...) {
		if _, err := run(ctx, toolTimeout, c[0], c[1:]...); err != nil {
			return fmt.Errorf("making the machines' network: %w", err)
		}
	}
	return nil
}

// plug gives the process in a network namespace of its own the link eth0.
func (n *network) plug(ctx context.Context, port string, pid int) error {
	return n.ip(ctx, nil,
		n.inside("link add "+port+" type veth peer name "+machineLink+" netns "+strconv.Itoa(pid)),
		n.inside("link set "+port+" master "+bridgeLink+" up"))
}

// address is the i-th machine's, from 0.
func (n *network) address(i int) netip.Addr {
	a := n.host
	for range i + 1 {
		a = a.Next()
	}
	return a
}

// close ends the bridge; the kernel takes the host's link away with it, in its time.
func (n *network) close(ctx context.Context) error {
	n.process.kill()
	return until(ctx, dialTime, func() error {
		if _, err := run(ctx, toolTimeout, "ip", "link", "show", n.link); err != nil {
			return nil // gone, or never there
		}
		_, _ = run(ctx, toolTimeout, "ip", "link", "del", n.link)
		return fmt.Errorf("the link %s is still there", n.link)
	})
}

// freePrefix picks a subnet that no route leads to already.
func freePrefix(routes string) (netip.Prefix, error) {
	var taken []netip.Prefix
	for line := range strings.Lines(routes) {
		for _, word := range strings.Fields(line) {
			if p, err := netip.ParsePrefix(word); err == nil && p.Bits() >= 8 {
				taken = append(taken, p)
			}
			if a, err := netip.ParseAddr(word); err == nil && a.Is4() {
				taken = append(taken, netip.PrefixFrom(a, a.BitLen()))
			}
		}
	}
	for range 64 {
		base := pool.Addr().As4()
		base[2], base[3] = byte(rand.IntN(256)), byte(rand.IntN(16))<<4
		p := netip.PrefixFrom(netip.AddrFrom4(base), netBits)
		free := true
		for _, t := range taken {
			free = free && !t.Overlaps(p)
		}
		if free {
			return p, nil
		}
	}
	return netip.Prefix{}, fmt.Errorf("this host routes %s already", pool)
}

// until calls try until it succeeds; after a time its last error is told.
func until(ctx context.Context, within time.Duration, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-tick.C:
		}
	}
}
