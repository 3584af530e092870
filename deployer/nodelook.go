package deployer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/client"

	"github.com/galley-coop/galley/catalogue"
)

// Looked is a node whose containers were compared with the entry.
type Looked struct {
	Name       string `json:"name"` // the node's host name
	Containers int    `json:"containers"`
}

// seat is a running task's container, and the image that it should have.
type seat struct {
	service, container string
	image              catalogue.Image
}

// nodeLook is what a look at one node found.
type nodeLook struct {
	containers, missed int
	problems           []string
	err                error // it could not be looked at
}

// lookAtNodes compares containers, by node, with their images: on all nodes at once
// that can be reached. What cannot be looked at is requested and not observed, and is
// no problem: only the node's own engine could tell. missed counts containers that
// ended meanwhile, or that swarm does not know of yet to have ended.
func (e *Engine) lookAtNodes(ctx context.Context, running map[string][]seat, o *Observed) (missed int, err error) {
	o.Looked, o.NotReached = []Looked{}, []NotReached{}
	hosts, err := e.hosts(ctx, running)
	if err != nil {
		return 0, err
	}
	looks := map[string]*nodeLook{}
	var looking sync.WaitGroup
	for id, seats := range running {
		api := e.at(id)
		if api == nil {
			continue
		}
		look := &nodeLook{}
		looks[id] = look
		looking.Go(func() { look.at(ctx, api, seats) })
	}
	looking.Wait()
	for _, id := range sortedKeys(running) {
		host := cmp.Or(hosts[id], id)
		look, count := looks[id], len(running[id])
		switch {
		case look == nil:
			o.addNotReached(host, count, e.notReached(host))
		case look.err != nil && id == e.NodeID && len(e.fleet.ways) == 0:
			return 0, look.err // the engine that answers for the swarm
		case look.err != nil:
			o.addNotReached(host, count, whyNot(look.err))
		default:
			missed += look.missed
			o.Containers += look.containers
			o.Requested += look.missed
			for _, problem := range look.problems {
				o.Problems = append(o.Problems, problem+" on node "+host)
			}
			o.Looked = append(o.Looked, Looked{host, look.containers})
		}
	}
	o.NotReached = append(o.NotReached, e.astray(o.NotReached)...)
	slices.SortFunc(o.Looked, func(a, b Looked) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(o.NotReached, func(a, b NotReached) int { return cmp.Compare(a.Name, b.Name) })
	return missed, nil
}

func (o *Observed) addNotReached(host string, count int, reason string) {
	o.Requested += count
	o.NotReached = append(o.NotReached, NotReached{Name: host, Requested: count, Reason: reason})
}

// hosts are host names by node ID, of the swarm's nodes where containers run on more
// than this one. The nodes are connected on the way.
func (e *Engine) hosts(ctx context.Context, running map[string][]seat) (map[string]string, error) {
	hosts := map[string]string{e.NodeID: printable(e.NodeName)}
	if _, here := running[e.NodeID]; here && len(running) == 1 && len(e.fleet.ways) == 0 {
		return hosts, nil // there is nobody to ask, and nothing to ask for
	}
	inSwarm, err := e.survey(ctx)
	if err != nil {
		return nil, err
	}
	for id, n := range inSwarm {
		hosts[id] = printable(n.Description.Hostname)
	}
	return hosts, nil
}

func (l *nodeLook) at(ctx context.Context, api *client.Client, seats []seat) {
	ctx, cancel := context.WithTimeout(ctx, nodeTimeout)
	defer cancel()
	for _, s := range seats {
		inspected, err := api.ContainerInspect(ctx, s.container)
		switch {
		case errdefs.IsNotFound(err):
			l.missed++
		case err != nil:
			l.err = err
			return
		case inspected.State == nil || !inspected.State.Running:
			l.missed++
		case !vouched(s.image, inspected.Image):
			l.problems = append(l.problems, fmt.Sprintf("service %s runs image %s, which the entry does not vouch for", s.service, inspected.Image))
			fallthrough
		default:
			l.containers++
		}
	}
}
