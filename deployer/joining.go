package deployer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"

	"github.com/galley-coop/galley/internal/fault"
)

const (
	// joinTimeout is how long an engine may take to be let into a swarm; it answers
	// after 20 seconds in any case, and goes on trying.
	joinTimeout = time.Minute
	// memberTimeout is how long a node may take from there until it is ready.
	memberTimeout = time.Minute
	joinListen    = "0.0.0.0:2377"
)

// Admission lets a machine into a swarm. It has the swarm's join token, which goes
// nowhere but into the request to that machine's engine, and is never shown.
type Admission struct {
	engine   *Engine
	token    string
	managers []string
	manager  bool
}

// String keeps the token out of whatever prints an Admission.
func (a *Admission) String() string { return "an admission to the swarm of " + a.engine.Server }

// GoString does, too.
func (a *Admission) GoString() string { return a.String() }

// Admission asks the engine's swarm for a way in, as a worker or as a manager.
func (e *Engine) Admission(ctx context.Context, manager bool) (*Admission, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	cluster, err := e.api.SwarmInspect(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking server %q for a way into its swarm: %w", e.Server, err)
	}
	nodes, err := e.api.NodeList(ctx, swarm.NodeListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing the nodes of server %q: %w", e.Server, err)
	}
	a := &Admission{engine: e, token: cluster.JoinTokens.Worker, manager: manager}
	if manager {
		a.token = cluster.JoinTokens.Manager
	}
	for _, n := range nodes {
		if m := n.ManagerStatus; m != nil && m.Addr != "" && m.Reachability == swarm.ReachabilityReachable {
			a.managers = append(a.managers, m.Addr)
		}
	}
	if a.token == "" || len(a.managers) == 0 {
		return nil, fmt.Errorf("the swarm of server %q names no way into it", e.Server)
	}
	return a, nil
}

// Managers are the addresses that a machine must reach to join: host and port.
func (a *Admission) Managers() []string { return a.managers }

// Guest is a machine's engine, for a moment: one that is to join.
type Guest struct {
	where string
	api   *client.Client
	info  swarm.Info
	name  string
}

// Visit connects to the engine at an address (ssh://, unix://, tcp://) or behind a
// docker context, whatever swarm it is in.
func Visit(ctx context.Context, where string) (*Guest, error) {
	w, err := wayTo(where)
	if err != nil {
		return nil, err
	}
	api, err := client.NewClientWithOpts(append(w.options, client.WithAPIVersionNegotiation())...)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", where, err)
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	info, err := api.Info(ctx)
	if err != nil {
		_ = api.Close()
		return nil, fmt.Errorf("no engine answers at %s: %w", where, cause(err))
	}
	return &Guest{where: where, api: api, info: info.Swarm, name: info.Name}, nil
}

// Close ends the connection.
func (g *Guest) Close() error { return g.api.Close() }

// Name is the machine's host name.
func (g *Guest) Name() string { return g.name }

// Membership is what an engine is in a swarm.
type Membership struct {
	NodeID  string
	Member  bool // of this swarm
	Manager bool
}

// Member tells whether the guest is a node of the swarm already. One that is in another
// swarm, or in one that it cannot reach, is an error.
func (a *Admission) Member(ctx context.Context, g *Guest) (Membership, error) {
	if g.info.LocalNodeState == swarm.LocalNodeStateInactive {
		return Membership{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	node, _, err := a.engine.api.NodeInspectWithRaw(ctx, g.info.NodeID)
	if g.info.NodeID == "" || errdefs.IsNotFound(err) {
		err := fmt.Errorf("%s is in another swarm (%s)", g.where, swarmState(g.info))
		return Membership{}, fault.Hint(err, "docker swarm leave there takes it out of that one, with what runs on it")
	}
	if err != nil {
		return Membership{}, fmt.Errorf("asking server %q for node %s: %w", a.engine.Server, g.info.NodeID, err)
	}
	return Membership{NodeID: node.ID, Member: true, Manager: node.Spec.Role == swarm.NodeRoleManager}, nil
}

// Enter has the guest join, and waits until the swarm has it as a ready node. It
// returns the node's ID. advertise is an address or an interface of the guest's, ""
// for its engine's own choice.
func (a *Admission) Enter(ctx context.Context, g *Guest, advertise string) (string, error) {
	joining, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	err := g.api.SwarmJoin(joining, swarm.JoinRequest{
		ListenAddr: joinListen, AdvertiseAddr: advertise, RemoteAddrs: a.managers, JoinToken: a.token,
	})
	if err != nil && !strings.Contains(err.Error(), "will continue in the background") {
		err = fmt.Errorf("%s joining the swarm of server %q: %s", g.where, a.engine.Server, a.redact(err))
		return "", fault.Hint(err, "it must reach %s", strings.Join(a.managers, " or "))
	}
	return a.await(ctx, g)
}

// redact is an error without the token, should an engine ever say it back.
func (a *Admission) redact(err error) string {
	return strings.ReplaceAll(oneLine(err.Error()), a.token, "(token)")
}

// await waits until the guest is a ready node.
func (a *Admission) await(ctx context.Context, g *Guest) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, memberTimeout)
	defer cancel()
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	last := "it is not in the list of nodes"
	for {
		info, err := g.api.Info(ctx)
		if err == nil && info.Swarm.NodeID != "" {
			node, _, err := a.engine.api.NodeInspectWithRaw(ctx, info.Swarm.NodeID)
			if err == nil && node.Status.State == swarm.NodeStateReady && (!a.manager || node.ManagerStatus != nil) {
				return node.ID, nil
			}
			if err == nil {
				last = "it is " + string(node.Status.State)
			}
		}
		if err == nil && info.Swarm.Error != "" {
			last = oneLine(info.Swarm.Error)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			err := fmt.Errorf("waiting for %s as a node of server %q: %w: %s", g.where, a.engine.Server, context.Cause(ctx), last)
			if errors.Is(err, context.Canceled) {
				return "", err
			}
			return "", fault.Hint(err, "its ports 2377/tcp, 7946/tcp+udp and 4789/udp must be open to %s", strings.Join(a.managers, " and "))
		}
	}
}
