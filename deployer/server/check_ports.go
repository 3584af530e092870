package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/docker/docker/api/types/swarm"
)

const (
	// managePort is where managers are joined and asked; gossipPort is where nodes tell
	// each other of networks, over TCP and UDP; the data of overlay networks goes over
	// UDP to a port of the swarm's choice, 4789 unless somebody chose.
	managePort, gossipPort, dataPort = 2377, 7946, 4789
	// dialTimeout bounds one attempt.
	dialTimeout = 4 * time.Second
)

// portState is whether one port of one node answered.
type portState struct {
	node string // whose port it is
	from string // the node that tried, "" for this machine
	to   netip.AddrPort
	err  error // nil when it answered
}

// dialHere tries ports from this machine, all at the same time.
func dialHere(ctx context.Context, ports []netip.AddrPort) []error {
	errs := make([]error, len(ports))
	var trying sync.WaitGroup
	for i, p := range ports {
		trying.Go(func() { errs[i] = dialOne(ctx, p) })
	}
	trying.Wait()
	return errs
}

func dialOne(ctx context.Context, port netip.AddrPort) error {
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(ctx, "tcp", port.String())
	if err == nil {
		return conn.Close()
	}
	var op *net.OpError
	switch {
	case !errors.As(err, &op):
		return err
	case op.Timeout():
		return errors.New("no answer")
	}
	return op.Err
}

// probe tries the ports that swarm's nodes need of each other: from each node that
// commands can be run on, else from here.
func probe(ctx context.Context, s *Survey) []portState {
	var from []*Look
	for _, l := range s.answering() {
		if l.Facts != nil && l.Facts.dial != nil {
			from = append(from, l)
		}
	}
	if len(from) == 0 {
		return tryPorts(ctx, wantedPorts(s.Nodes, "", ""), dialHere)
	}
	states := make([][]portState, len(from))
	var trying sync.WaitGroup
	for i, l := range from {
		trying.Go(func() { states[i] = tryPorts(ctx, wantedPorts(s.Nodes, l.Host(), l.Info.Swarm.NodeID), l.Facts.dial) })
	}
	trying.Wait()
	return slices.Concat(states...)
}

// wantedPorts are those that a node needs of the others that are up.
func wantedPorts(nodes []swarm.Node, from, self string) []portState {
	var wanted []portState
	for _, n := range nodes {
		at := nodeAddr(n)
		if n.ID == self || !at.IsValid() || at.IsLoopback() || n.Status.State != swarm.NodeStateReady {
			continue
		}
		for _, port := range portsOf(n) {
			wanted = append(wanted, portState{node: hostOf(n), from: from, to: netip.AddrPortFrom(at, port)})
		}
	}
	return wanted
}

func tryPorts(ctx context.Context, wanted []portState, dial func(context.Context, []netip.AddrPort) []error) []portState {
	if len(wanted) == 0 {
		return nil
	}
	ports := make([]netip.AddrPort, len(wanted))
	for i, w := range wanted {
		ports[i] = w.to
	}
	for i, err := range dial(ctx, ports) {
		wanted[i].err = err
	}
	return wanted
}

func portsOf(n swarm.Node) []uint16 {
	if n.ManagerStatus != nil {
		return []uint16{managePort, gossipPort}
	}
	return []uint16{gossipPort}
}

// checkPorts tells what is known of the ports that nodes need of each other. A port
// that this machine does not reach says nothing: firewalls rightly keep operators out.
func checkPorts(s *Survey, states []portState) []Finding {
	if len(s.Nodes) < 2 {
		return []Finding{{"ports", OK, "", "one node: nothing goes between nodes", ""}}
	}
	slices.SortFunc(states, func(a, b portState) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.node, b.node), a.to.Compare(b.to))
	})
	var found []Finding
	answered := 0
	for _, p := range states {
		var untold errNotTold
		switch {
		case p.err == nil:
			answered++
		case p.from == "" || errors.As(p.err, &untold):
			found = append(found, Finding{"ports", NotKnown, p.node, fmt.Sprintf("%s/tcp does not answer %s (%s), which says nothing of the other nodes", p.to, fromText(p.from), p.err),
				fmt.Sprintf("on another node: nc -vz %s %d", p.to.Addr(), p.to.Port())})
		default:
			found = append(found, Finding{"ports", Failed, p.node, fmt.Sprintf("%s/tcp does not answer node %s: %s", p.to, p.from, p.err),
				fmt.Sprintf("open port %d/tcp of node %s for the swarm's other nodes", p.to.Port(), p.node)})
		}
	}
	if answered > 0 {
		found = append(found, Finding{"ports", OK, "", fmt.Sprintf("%s answer over TCP (%d to managers, %d to all)", counted(answered, "port"), managePort, gossipPort), ""})
	}
	return append(found, Finding{"ports", NotKnown, "", fmt.Sprintf("%d/udp and %d/udp between the nodes: an open UDP port looks like a closed one", gossipPort, dataPortOf(s)),
		"let two tasks on different nodes talk over one overlay network: docs/servers.md has the commands"})
}

func dataPortOf(s *Survey) uint32 {
	if m := s.Manager(); m != nil && m.Info.Swarm.Cluster != nil {
		return cmp.Or(m.Info.Swarm.Cluster.DataPathPort, dataPort)
	}
	return dataPort
}

func fromText(from string) string {
	if from == "" {
		return "this machine"
	}
	return "node " + from
}
