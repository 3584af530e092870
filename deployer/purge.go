package deployer

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/internal/fault"
)

// Purged is what a purge removed, and what it found still there when it looked
// afterwards.
type Purged struct {
	Volumes []string `json:"volumes"` // removed, on this node
	Secrets []string `json:"secrets"` // removed
	Records int      `json:"records"` // removed: galley's own, the history among them
	// Remains are what the engine still has of the stack, none when all went well:
	// "volume NAME".
	Remains []string `json:"remains"`
	// NotAsked are the swarm's nodes that nobody could ask for volumes.
	NotAsked []string `json:"not_asked"`
}

// Purge removes what an undeploy leaves of a stack: its volumes on the nodes that
// can be asked, its secrets, whoever made them, and galley's records. Then it lists
// the engine anew: what is there still stands in Remains. It refuses a stack that
// still has services. The data is gone then.
//
// others are the names of other stacks of that server: a secret without a label is
// told by its name, and theirs may begin alike.
func (e *Engine) Purge(ctx context.Context, stack string, others []string) (Purged, error) {
	p := Purged{Volumes: []string{}, Secrets: []string{}, Remains: []string{}, NotAsked: []string{}}
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
	if p.NotAsked, err = e.notAsked(ctx); err == nil {
		p.Remains, err = e.Remains(ctx, stack, others)
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
	for _, name := range sortedKeys(current.Volumes) {
		bounded, cancel := context.WithTimeout(ctx, requestTimeout)
		err := e.removeVolume(bounded, name)
		cancel()
		if err != nil {
			return fmt.Errorf("removing volume %q: %w", name, err)
		}
		p.Volumes = append(p.Volumes, name)
	}
	for _, kind := range []recordKind{recordHistory, recordJournal} {
		records, err := e.records(ctx, kind, current.Name)
		if err != nil {
			return err
		}
		p.Records += len(records)
	}
	return e.forgetRecords(ctx, current.Name)
}

// notAsked are the names of the swarm's nodes whose engines cannot be asked, sorted.
func (e *Engine) notAsked(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	nodes, err := e.api.NodeList(ctx, swarm.NodeListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing the nodes: %w", err)
	}
	names := []string{}
	for _, n := range nodes {
		if e.nodeClient(n.ID) == nil {
			names = append(names, n.Description.Hostname)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Remains lists all that the engine has of a stack, "kind name", sorted: services,
// networks, configs and secrets of the swarm, galley's records, and this node's
// volumes and containers. others is as for Purge.
func (e *Engine) Remains(ctx context.Context, stack string, others []string) ([]string, error) {
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
	add("volume", sortedKeys(current.Volumes)...)
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
	containers, err := e.api.ContainerList(ctx, container.ListOptions{All: true, Filters: byStack(stack)})
	if err != nil {
		return nil, fmt.Errorf("listing the containers: %w", err)
	}
	for _, c := range containers {
		add("container", c.ID[:min(len(c.ID), 12)])
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
	return left, &purged, err
}
