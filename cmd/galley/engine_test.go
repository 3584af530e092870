package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"

	"github.com/galley-coop/galley/internal/engine"
)

// emptyEngine removes what a script left on the private engine. Networks and
// volumes can go only when the last container has gone.
func emptyEngine(ctx context.Context, e *engine.Engine) error {
	api, err := e.Client()
	if err != nil {
		return err
	}
	defer api.Close()
	services, err := api.ServiceList(ctx, swarm.ServiceListOptions{})
	for _, s := range services {
		err = errors.Join(err, api.ServiceRemove(ctx, s.ID))
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		if err = emptyStores(ctx, api); err == nil || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// emptyStores fails while a container is left, or uses what it would remove.
func emptyStores(ctx context.Context, api *client.Client) error {
	var errs []error
	try := func(err error) { errs = append(errs, err) }
	containers, err := api.ContainerList(ctx, container.ListOptions{All: true})
	try(err)
	if len(containers) > 0 {
		try(fmt.Errorf("%d containers are left", len(containers)))
	}
	configs, err := api.ConfigList(ctx, swarm.ConfigListOptions{})
	try(err)
	for _, c := range configs {
		try(api.ConfigRemove(ctx, c.ID))
	}
	secrets, err := api.SecretList(ctx, swarm.SecretListOptions{})
	try(err)
	for _, s := range secrets {
		try(api.SecretRemove(ctx, s.ID))
	}
	networks, err := api.NetworkList(ctx, network.ListOptions{Filters: filters.NewArgs(filters.Arg("label", "com.docker.stack.namespace"))})
	try(err)
	for _, n := range networks {
		try(api.NetworkRemove(ctx, n.ID))
	}
	volumes, err := api.VolumeList(ctx, volume.ListOptions{})
	try(err)
	for _, v := range volumes.Volumes {
		try(api.VolumeRemove(ctx, v.Name, false))
	}
	return errors.Join(errs...)
}

// settled waits until the running containers are those of the tasks that are
// wanted, and lists them. An engine without a swarm is settled.
func settled(ctx context.Context, e *engine.Engine) ([]string, error) {
	api, err := e.Client()
	if err != nil {
		return nil, err
	}
	defer api.Close()
	info, err := api.Info(ctx)
	if err != nil || !info.Swarm.ControlAvailable {
		return nil, err
	}
	for {
		wanted, err := wantedContainers(ctx, api)
		if err != nil {
			return nil, err
		}
		containers, err := api.ContainerList(ctx, container.ListOptions{})
		if err != nil {
			return nil, err
		}
		var running []string
		for _, c := range containers {
			running = append(running, c.ID)
		}
		slices.Sort(running)
		if slices.Equal(running, wanted) {
			return running, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("containers %q run, and %q are wanted: %w", running, wanted, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// wantedContainers are those of running tasks; a task that is yet to run counts
// as one that does not exist.
func wantedContainers(ctx context.Context, api *client.Client) ([]string, error) {
	tasks, err := api.TaskList(ctx, swarm.TaskListOptions{Filters: filters.NewArgs(filters.Arg("desired-state", "running"))})
	if err != nil {
		return nil, err
	}
	var wanted []string
	for _, task := range tasks {
		id := "none yet for task " + task.ID
		if status := task.Status.ContainerStatus; task.Status.State == swarm.TaskStateRunning && status != nil {
			id = status.ContainerID
		}
		wanted = append(wanted, id)
	}
	slices.Sort(wanted)
	return wanted, nil
}
