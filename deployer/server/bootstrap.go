package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"github.com/galley-coop/galley/internal/fault"
)

// ProxyNetwork is the network that recipes expect beside their own: a reverse proxy
// and the apps behind it meet there.
const ProxyNetwork = "proxy"

// Bootstrap makes a bare machine a swarm of one.
type Bootstrap struct {
	Machine Machine
	// AdvertiseAddr is an address or an interface, for other nodes; "" takes the
	// interface of the default route.
	AdvertiseAddr string
	// AddrPools are where swarm takes its networks' addresses from; none for the engine's
	// own choice.
	AddrPools []netip.Prefix
	// DryRun runs only the commands that read.
	DryRun bool
	Teller Teller
}

// Run goes through the steps, and returns those that it came to, also with an error.
// Every step looks first: a second run changes nothing, and one after a run that was
// interrupted does the rest. A machine whose swarm somebody else made is left as it is
// where it is a manager, and refused where it is a worker.
func (b Bootstrap) Run(ctx context.Context) ([]Step, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	w := &work{remote: remote{machine: b.Machine}, teller: b.Teller, dry: b.DryRun}
	steps := append(machineSteps(), step{"swarm", b.initSwarm}, step{"network " + ProxyNetwork, makeProxyNetwork})
	err := w.through(ctx, steps)
	return w.steps, err
}

var addressForm = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9.:_-]*$`)

func (b Bootstrap) check() error {
	if b.AdvertiseAddr != "" && !addressForm.MatchString(b.AdvertiseAddr) {
		return fault.Hint(fault.New(fault.Usage, "advertised address %q: expected an address or an interface", b.AdvertiseAddr), "write it like 10.0.0.5 or eth1")
	}
	return nil
}

// swarmInfo is what an engine says of its swarm.
type swarmInfo struct {
	NodeID, NodeAddr, LocalNodeState, Error string
	ControlAvailable                        bool
	RemoteManagers                          []struct{ Addr string }
	Cluster                                 *struct{ ID string }
}

// swarm asks the engine. One that is not there yet, in a dry run, is in none.
func (w *work) swarm(ctx context.Context) (info swarmInfo, err error) {
	out, ok, err := w.look(ctx, "docker info --format '{{json .Swarm}}'")
	if err != nil {
		return info, err
	}
	if !ok && w.dry {
		return swarmInfo{LocalNodeState: "inactive"}, nil
	}
	if err := json.Unmarshal([]byte(out), &info); err != nil {
		return info, fmt.Errorf("reading what the engine on %s says of its swarm: %s", w.machine, clip(lastLines(out)))
	}
	return info, nil
}

// managers are the addresses of the swarm's, for a person to read.
func (i swarmInfo) managers() string {
	var all []string
	for _, m := range i.RemoteManagers {
		all = append(all, printable(m.Addr))
	}
	return strings.Join(all, ", ")
}

// usable refuses what is neither a manager nor a machine without a swarm.
func (i swarmInfo) usable(m Machine) error {
	switch {
	case i.LocalNodeState == "inactive", i.LocalNodeState == "active" && i.ControlAvailable && i.Error == "":
		return nil
	case i.LocalNodeState == "active" && !i.ControlAvailable:
		err := fmt.Errorf("%s is a worker in the swarm of %s", m, i.managers())
		return fault.Hint(err, "bootstrap is for a swarm's first machine; docker swarm leave there takes it out of that one")
	}
	err := fmt.Errorf("the swarm of %s is %s: %s", m, printable(i.LocalNodeState), orNothing(lastLines(i.Error)))
	return fault.Hint(err, "docker info there tells more; what it is part of is not touched")
}

func (b Bootstrap) initSwarm(ctx context.Context, w *work) (string, error) {
	info, err := w.swarm(ctx)
	if err != nil {
		return "", err
	}
	if err := info.usable(w.machine); err != nil {
		return "", err
	}
	if info.LocalNodeState == "active" {
		return "manager at " + printable(info.NodeAddr), nil
	}
	advertise := b.AdvertiseAddr
	if advertise == "" {
		if advertise, err = w.defaultInterface(ctx); err != nil {
			return "", err
		}
	}
	command := "docker swarm init --advertise-addr " + quote(advertise)
	for _, pool := range b.AddrPools {
		command += " --default-addr-pool " + pool.String()
	}
	// What it prints has the join token.
	if err := w.change(ctx, command+" >/dev/null", startTime); err != nil {
		return "", fault.Hint(err, "--advertise-addr names the address, or the interface, that other nodes would reach")
	}
	if w.dry {
		return "", nil
	}
	if info, err = w.swarm(ctx); err != nil {
		return "", err
	}
	return "manager at " + printable(info.NodeAddr), info.usable(w.machine)
}

// defaultInterface is the interface that the machine's default route goes out by.
func (w *work) defaultInterface(ctx context.Context) (string, error) {
	out, err := w.read(ctx, "cat /proc/net/route")
	if err != nil {
		return "", err
	}
	name, ok := parseDefaultRoute(out)
	if !ok {
		err := fmt.Errorf("%s has no default route, so no address that other nodes would reach", w.machine)
		return "", fault.Hint(err, "name one with --advertise-addr")
	}
	return name, nil
}

// parseDefaultRoute reads /proc/net/route (proc(5)): the one with the lowest metric
// among those to 0.0.0.0/0 that are up.
func parseDefaultRoute(text string) (name string, ok bool) {
	best := 0
	for line := range strings.Lines(text) {
		metric, err := countOf(field(line, 6))
		if err != nil || field(line, 1) != "00000000" || field(line, 7) != "00000000" || !addressForm.MatchString(field(line, 0)) {
			continue
		}
		if !ok || metric < best {
			name, best, ok = field(line, 0), metric, true
		}
	}
	return name, ok
}

func makeProxyNetwork(ctx context.Context, w *work) (string, error) {
	const format = "'{{.Scope}} {{.Driver}} {{.Attachable}}'"
	out, there, err := w.look(ctx, "docker network inspect "+ProxyNetwork+" --format "+format)
	if err != nil {
		return "", err
	}
	switch found := lastLines(out); {
	case !there:
		return "overlay, attachable", w.change(ctx, "docker network create --driver overlay --attachable "+ProxyNetwork, changeTime)
	case !strings.HasPrefix(found, "swarm "):
		err := fmt.Errorf("the network %q on %s is none of the swarm: its scope and driver are %q", ProxyNetwork, w.machine, found)
		return "", fault.Hint(err, "docker network rm %s there, when nothing uses it", ProxyNetwork)
	case !strings.HasSuffix(found, " true"):
		return "is there, not attachable: only services can join it", nil
	default:
		return "overlay, attachable", nil
	}
}
