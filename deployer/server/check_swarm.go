package server

import (
	"fmt"
	"strings"

	"github.com/docker/docker/api/types/swarm"
)

// checkSwarm tells whether there is a swarm, whether its managers can decide, and which
// nodes take no tasks.
func checkSwarm(s *Survey) []Finding {
	if len(s.answering()) == 0 {
		return nil // that is told of already
	}
	if s.Manager() == nil {
		return []Finding{noManager(s)}
	}
	if s.NodesErr != nil {
		return []Finding{{"swarm", Failed, "", "the swarm's nodes cannot be listed: " + s.NodesErr.Error(), "docker node ls on a manager may tell more"}}
	}
	found := []Finding{checkQuorum(s.Nodes)}
	if l := s.Own(); l.Err == nil && !l.manages() {
		found = append(found, Finding{"swarm", Warning, l.Host(), "the server's own engine is no manager that can decide; deploys go by another node", "make the server's docker context lead to a manager"})
	}
	found = append(found, checkMembers(s.Nodes)...)
	return append(found, strangers(s)...)
}

// noManager says why none of the engines can answer for a swarm.
func noManager(s *Survey) Finding {
	l := s.answering()[0]
	switch info := l.Info.Swarm; {
	case info.LocalNodeState != swarm.LocalNodeStateActive:
		return Finding{"swarm", Failed, l.Host(), fmt.Sprintf("the engine is in no swarm (it is %s)", info.LocalNodeState),
			fmt.Sprintf("galley server bootstrap %s makes it a manager", s.Server)}
	case !info.ControlAvailable:
		return Finding{"swarm", Failed, l.Host(), "the engine is a worker", "make the server's docker context lead to a manager"}
	default:
		return Finding{"swarm", Failed, l.Host(), "the manager cannot decide: " + strings.Join(strings.Fields(info.Error), " "),
			"docker node ls on another manager tells which are down"}
	}
}

func checkQuorum(nodes []swarm.Node) Finding {
	managers, reachable := 0, 0
	var silent []string
	for _, n := range nodes {
		if n.ManagerStatus == nil {
			continue
		}
		managers++
		if n.ManagerStatus.Reachability == swarm.ReachabilityReachable {
			reachable++
			continue
		}
		silent = append(silent, hostOf(n))
	}
	told := fmt.Sprintf("%s, %s", counted(len(nodes), "node"), counted(managers, "manager"))
	switch needed := managers/2 + 1; {
	case len(silent) > 0:
		return Finding{"swarm", Failed, "", fmt.Sprintf("%s, of which %s cannot be reached: %d more may go before nothing can be changed any more", told, strings.Join(silent, ", "), reachable-needed),
			"bring it up, or have the others forget it: docker node demote, then docker node rm"}
	case managers%2 == 0:
		return Finding{"swarm", Warning, "", fmt.Sprintf("%s: an even number of managers bears no more failures than one less", told),
			"make it an odd number: docker node demote, or galley server join --manager"}
	}
	return Finding{"swarm", OK, "", told, ""}
}

// checkMembers tells of nodes that are down, and of those that take no tasks.
func checkMembers(nodes []swarm.Node) []Finding {
	var found []Finding
	for _, n := range nodes {
		switch {
		case n.Status.State != swarm.NodeStateReady:
			found = append(found, Finding{"nodes", Failed, hostOf(n), fmt.Sprintf("the swarm says that it is %s%s", n.Status.State, behind(n.Status.Message)),
				"look at its engine and at its network; docker node rm forgets a node that is gone for good"})
		case n.Spec.Availability != swarm.NodeAvailabilityActive:
			found = append(found, Finding{"nodes", Warning, hostOf(n), fmt.Sprintf("it takes no tasks: its availability is %s", n.Spec.Availability),
				fmt.Sprintf("docker node update --availability active %s, unless that is meant", hostOf(n))})
		}
	}
	if len(found) == 0 {
		return []Finding{{"nodes", OK, "", "all nodes are ready and take tasks", ""}}
	}
	return found
}

// strangers are engines of the nodes file that are in another swarm, or in none.
func strangers(s *Survey) []Finding {
	var found []Finding
	for _, l := range s.answering() {
		member := false
		for _, n := range s.Nodes {
			member = member || n.ID == l.Info.Swarm.NodeID
		}
		if !member {
			found = append(found, Finding{"nodes", Failed, l.Host(), fmt.Sprintf("%s is no node of this swarm", l.Name),
				fmt.Sprintf("take it out of servers/%s/nodes, or have it join: galley server join %s ADDRESS", s.Server, s.Server)})
		}
	}
	return found
}

func hostOf(n swarm.Node) string {
	if n.Description.Hostname != "" {
		return n.Description.Hostname
	}
	return n.ID
}

func behind(message string) string {
	if message == "" {
		return ""
	}
	return ": " + strings.Join(strings.Fields(message), " ")
}

// counted is a number with its noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
