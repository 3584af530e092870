package deployer

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/internal/fault"
)

// Purged is what a purge removed, and what it found still there when it looked
// afterwards.
type Purged struct {
	Volumes []string `json:"volumes"` // removed, on this node
	// Elsewhere are volumes that were removed on other nodes.
	Elsewhere []VolumeAt `json:"elsewhere"`
	Secrets   []string   `json:"secrets"` // removed
	Records   int        `json:"records"` // removed: galley's own, the history among them
	// Remains are what the engines still have of the stack, none when all went well:
	// "volume NAME", "volume NAME on node HOST".
	Remains []string `json:"remains"`
	// NotAsked are the swarm's nodes that nobody could ask for volumes.
	NotAsked []string `json:"not_asked"`
}

// Purge removes what an undeploy leaves of a stack: its volumes on the nodes that
// can be asked, its secrets, whoever made them, and galley's records. Then it lists
// the engines anew: what is there still stands in Remains. It refuses a stack that
// still has services. The data is gone then.
//
// others are the names of other stacks of that server: a secret without a label is
// told by its name, and theirs may begin alike.
func (e *Engine) Purge(ctx context.Context, stack string, others []string) (Purged, error) {
	p := Purged{Volumes: []string{}, Elsewhere: []VolumeAt{}, Secrets: []string{}, Remains: []string{}, NotAsked: []string{}}
	current, err := e.Current(ctx, stack, nil)
	if err != nil {
		return p, err
	}
	if len(current.Services) > 0 {
		return p, fault.New(fault.Unavailable, "stack %q still has %d services; undeploy it first", stack, len(current.Services))
	}
	lock, _, err := e.Lock(ctx, stack, "purge")
	if err != nil {
		return p, err
	}
	err = e.purge(ctx, current, others, &p)
	if released := lock.Release(ctx); err == nil {
		err = released
	}
	if err != nil {
		err = fault.Wrap(fault.Left, fmt.Errorf("purging stack %q: %w", stack, err))
		return p, fault.Hint(err, "part of it is gone; purge it again")
	}
	nodes, err := e.lookOnNodes(ctx, stack)
	if err == nil {
		p.NotAsked = namesNotAsked(nodes)
		p.Remains, err = e.remains(ctx, stack, others, nodes)
	}
	if err == nil {
		err = p.lost()
	}
	return p, fault.Wrap(fault.Left, err)
}

func (e *Engine) purge(ctx context.Context, current *Stack, others []string, p *Purged) error {
	secrets, err := e.ownSecrets(ctx, current.Name, others, current.Secrets)
	if err != nil {
		return err
	}
	for _, name := range secrets {
		if err := e.RemoveSecret(ctx, SecretState{SecretSpec: SecretSpec{Name: name}, ID: current.Secrets[name].ID}); err != nil {
			return err
		}
		p.Secrets = append(p.Secrets, name)
	}
	nodes, err := e.lookOnNodes(ctx, current.Name)
	if err != nil {
		return err
	}
	if p.Volumes, p.Elsewhere, err = e.removeVolumes(ctx, nodes, current.Name); err != nil {
		return err
	}
	for _, kind := range lastingRecords {
		records, err := e.records(ctx, kind, current.Name)
		if err != nil {
			return err
		}
		p.Records += len(records)
	}
	return e.forgetRecords(ctx, current.Name)
}

// lost is the error for volumes whose node did not answer any more when it was looked
// again: nobody has seen that they are gone.
func (p *Purged) lost() error {
	for _, v := range p.Elsewhere {
		if slices.Contains(p.NotAsked, v.Node) {
			err := fmt.Errorf("volume %q was removed on node %s, which did not answer when it was looked again", v.Volume, v.Node)
			return fault.Hint(err, "purge it again once the node answers")
		}
	}
	return nil
}

// Remains lists all that there is of a stack, "kind name", sorted: services, networks,
// configs and secrets of the swarm, galley's records, and the volumes and containers of
// the nodes that can be asked, with " on node HOST" for others than the connected one.
// others is as for Purge.
func (e *Engine) Remains(ctx context.Context, stack string, others []string) ([]string, error) {
	nodes, err := e.lookOnNodes(ctx, stack)
	if err != nil {
		return nil, err
	}
	return e.remains(ctx, stack, others, nodes)
}

func (e *Engine) remains(ctx context.Context, stack string, others []string, nodes []*nodeVolumes) ([]string, error) {
	current, err := e.Current(ctx, stack, nil)
	if err != nil {
		return nil, err
	}
	remains := []string{}
	add := func(kind string, names ...string) {
		for _, name := range names {
			remains = append(remains, kind+" "+name)
		}
	}
	add("service", sortedKeys(current.Services)...)
	add("config", sortedKeys(current.Configs)...)
	add("network", ownNetworks(current)...)
	secrets, err := e.ownSecrets(ctx, stack, others, current.Secrets)
	if err != nil {
		return nil, err
	}
	add("secret", secrets...)
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	records, err := e.api.ConfigList(ctx, swarm.ConfigListOptions{Filters: filters.NewArgs(filters.Arg("label", labelStack+"="+stack))})
	if err != nil {
		return nil, fmt.Errorf("listing the records: %w", err)
	}
	for _, r := range records {
		add("record", r.Spec.Name)
	}
	for _, n := range nodes {
		where := ""
		if n.id != e.NodeID {
			where = " on node " + n.name
		}
		for _, name := range n.own(stack) {
			add("volume", name+where)
		}
		for _, id := range n.containers {
			add("container", id[:min(len(id), 12)]+where)
		}
	}
	slices.Sort(remains)
	return remains, nil
}

// UndeployAndPurge takes a stack off its server, when it is there, and purges what
// that leaves. A stack of which nothing at all is there is an error.
func (e *Engine) UndeployAndPurge(ctx context.Context, stack string, others []string, report func(Event)) (Left, *Purged, error) {
	left := Left{Services: []string{}, Configs: []string{}, Networks: []string{}, Volumes: []string{}, Elsewhere: []VolumeAt{}, Secrets: []string{}}
	remains, err := e.Remains(ctx, stack, others)
	if err != nil {
		return left, nil, err
	}
	if len(remains) == 0 {
		err := fault.New(fault.Unavailable, "there is nothing of the stack %q on server %q", stack, e.Server)
		return left, nil, fault.Hint(err, "galley app ls lists the apps and their servers")
	}
	stands := slices.ContainsFunc(remains, func(line string) bool {
		kind, _, _ := strings.Cut(line, " ")
		return kind == "service" || kind == "config" || kind == "network"
	})
	if stands {
		if left, err = e.Undeploy(ctx, stack, report); err != nil {
			return left, nil, err
		}
	}
	purged, err := e.Purge(ctx, stack, others)
	left.Volumes, left.Secrets = []string{}, []string{} // they did not stay
	left.Elsewhere = slices.DeleteFunc(left.Elsewhere, func(v VolumeAt) bool { return v.Observed && !slices.Contains(purged.NotAsked, v.Node) })
	return left, &purged, err
}
