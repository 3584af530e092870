package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
)

// EngineInventory lists every container, network and volume of the engine at host,
// and if it is a swarm manager every service, secret and config: one sorted line
// each, of kind, ID and name. Volumes have no ID; their name stands for it.
func EngineInventory(ctx context.Context, host string) ([]string, error) {
	c, err := newClient(host)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	lines, err := listLocal(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("listing what is on the engine %q: %w", host, err)
	}
	info, err := c.Info(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing what is on the engine %q: %w", host, err)
	}
	if info.Swarm.ControlAvailable {
		more, err := listSwarm(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("listing what is on the swarm of %q: %w", host, err)
		}
		lines = append(lines, more...)
	}
	slices.Sort(lines)
	return lines, nil
}

func listLocal(ctx context.Context, c *client.Client) ([]string, error) {
	var lines []string
	containers, err := c.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		return nil, err
	}
	for _, x := range containers {
		lines = append(lines, fmt.Sprintf("container %s %v", x.ID, x.Names))
	}
	networks, err := c.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, x := range networks {
		lines = append(lines, fmt.Sprintf("network %s %s", x.ID, x.Name))
	}
	volumes, err := c.VolumeList(ctx, volume.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, x := range volumes.Volumes {
		lines = append(lines, "volume "+x.Name)
	}
	return lines, nil
}

func listSwarm(ctx context.Context, c *client.Client) ([]string, error) {
	var lines []string
	services, err := c.ServiceList(ctx, swarm.ServiceListOptions{})
	if err != nil {
		return nil, err
	}
	for _, x := range services {
		lines = append(lines, fmt.Sprintf("service %s %s", x.ID, x.Spec.Name))
	}
	secrets, err := c.SecretList(ctx, swarm.SecretListOptions{})
	if err != nil {
		return nil, err
	}
	for _, x := range secrets {
		lines = append(lines, fmt.Sprintf("secret %s %s", x.ID, x.Spec.Name))
	}
	configs, err := c.ConfigList(ctx, swarm.ConfigListOptions{})
	if err != nil {
		return nil, err
	}
	for _, x := range configs {
		lines = append(lines, fmt.Sprintf("config %s %s", x.ID, x.Spec.Name))
	}
	return lines, nil
}
