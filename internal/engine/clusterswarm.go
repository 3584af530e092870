package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/docker/docker/api/types/swarm"
)

const swarmPort = "2377"

// formSwarm makes a swarm of the running daemons: the first manager begins it, the
// others join it together.
func (c *Cluster) formSwarm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*swarmTimeout)
	defer cancel()
	first := c.nodes[0]
	client, err := first.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	request := swarm.InitRequest{ListenAddr: "0.0.0.0:" + swarmPort, AdvertiseAddr: first.NodeAddr()}
	request.Spec.Dispatcher.HeartbeatPeriod = heartbeat
	if _, err := client.SwarmInit(ctx, request); err != nil {
		return fmt.Errorf("initialising the swarm: %w", err)
	}
	made, err := client.SwarmInspect(ctx)
	if err != nil {
		return fmt.Errorf("reading the swarm's join tokens: %w", err)
	}
	err = c.each(ctx, c.nodes[1:], func(ctx context.Context, n *Node) error {
		token := made.JoinTokens.Worker
		if n.Manager {
			token = made.JoinTokens.Manager
		}
		return n.join(ctx, token, net.JoinHostPort(first.NodeAddr(), swarmPort))
	})
	if err != nil {
		return err
	}
	return c.awaitNodes(ctx, c.nodes)
}

func (n *Node) join(ctx context.Context, token, at string) error {
	client, err := n.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	err = client.SwarmJoin(ctx, swarm.JoinRequest{
		ListenAddr: "0.0.0.0:" + swarmPort, AdvertiseAddr: n.NodeAddr(), JoinToken: token, RemoteAddrs: []string{at},
	})
	if err != nil {
		return fmt.Errorf("joining the swarm: %w", err)
	}
	return nil
}

// awaitNodes waits until the swarm counts the nodes as ready, and managers among
// them as reachable, and learns their IDs.
func (c *Cluster) awaitNodes(ctx context.Context, nodes []*Node) error {
	ctx, cancel := context.WithTimeout(ctx, 2*swarmTimeout)
	defer cancel()
	err := poll(ctx, func(ctx context.Context) error {
		listed, err := c.list(ctx)
		if err != nil {
			return err
		}
		for _, n := range nodes {
			if err := n.readyIn(listed); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("waiting for the swarm's nodes: %w", err)
	}
	return nil
}

func (n *Node) readyIn(listed []swarm.Node) error {
	i := slices.IndexFunc(listed, func(l swarm.Node) bool { return l.Description.Hostname == n.Name })
	if i < 0 {
		return fmt.Errorf("node %s is not in the swarm", n.Name)
	}
	l := listed[i]
	if l.Status.State != swarm.NodeStateReady {
		return fmt.Errorf("node %s is %s", n.Name, l.Status.State)
	}
	if n.Manager && (l.ManagerStatus == nil || l.ManagerStatus.Reachability != swarm.ReachabilityReachable) {
		return errors.New("manager " + n.Name + " is not reachable")
	}
	n.SwarmID = l.ID
	return nil
}

// awaitActive waits until the node itself knows that it is in the swarm: for a while
// after a power cut the others may still count on the one that died.
func (n *Node) awaitActive(ctx context.Context) error {
	client, err := n.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, swarmTimeout)
	defer cancel()
	return poll(ctx, func(ctx context.Context) error {
		info, err := client.Info(ctx)
		if err == nil && info.Swarm.LocalNodeState != swarm.LocalNodeStateActive {
			err = fmt.Errorf("for itself it is %s in the swarm", info.Swarm.LocalNodeState)
		}
		return err
	})
}
