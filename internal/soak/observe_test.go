package soak

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
)

// state is what the engine has of one stack at one moment.
type state struct {
	services map[string]swarm.Service
	tasks    map[string][]swarm.Task // by service ID
	networks map[string]string       // name to ID
	configs  map[string]config
	secrets  map[string]string // name to ID
	volumes  map[string]bool
	lock     string // ID of galley's lock, "" without one
	journal  string
	history  []record // oldest first
	names    map[string]string
}

type config struct{ id, data string }

// record is what the observer reads of a line of galley's history.
type record struct {
	Number  int    `json:"number"`
	To      string `json:"to"`
	Verdict string `json:"verdict"`
	State   string `json:"state"`
	Reason  string `json:"reason"`

	Operation string `json:"operation"`

	created time.Time // by the engine's clock
}

const namespaceLabel = "com.docker.stack.namespace"

func observe(ctx context.Context, api *client.Client, stack string) (*state, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	s := &state{
		services: map[string]swarm.Service{}, tasks: map[string][]swarm.Task{}, networks: map[string]string{}, configs: map[string]config{},
		secrets: map[string]string{}, volumes: map[string]bool{}, names: map[string]string{},
	}
	for _, read := range []func(context.Context, *client.Client, string) error{s.readServices, s.readConfigs, s.readOthers} {
		if err := read(ctx, api, stack); err != nil {
			return nil, fmt.Errorf("observing %s: %w", stack, err)
		}
	}
	return s, nil
}

func (s *state) readServices(ctx context.Context, api *client.Client, stack string) error {
	labelled := filters.NewArgs(filters.Arg("label", namespaceLabel+"="+stack))
	services, err := api.ServiceList(ctx, swarm.ServiceListOptions{Filters: labelled})
	if err != nil {
		return err
	}
	tasks, err := api.TaskList(ctx, swarm.TaskListOptions{Filters: labelled})
	for _, x := range services {
		s.services[x.Spec.Name] = x
	}
	for _, task := range tasks {
		s.tasks[task.ServiceID] = append(s.tasks[task.ServiceID], task)
	}
	return err
}

func (s *state) readConfigs(ctx context.Context, api *client.Client, stack string) error {
	configs, err := api.ConfigList(ctx, swarm.ConfigListOptions{})
	if err != nil {
		return err
	}
	for _, c := range configs {
		s.names[c.ID] = c.Spec.Name
		if c.Spec.Labels[namespaceLabel] == stack {
			s.configs[c.Spec.Name] = config{c.ID, string(c.Spec.Data)}
		}
		if c.Spec.Labels["galley.stack"] != stack {
			continue
		}
		switch c.Spec.Labels["galley.record"] {
		case "lock":
			s.lock = c.ID
		case "journal":
			s.journal = c.ID
		case "history":
			r := record{created: c.CreatedAt}
			if err := json.Unmarshal(c.Spec.Data, &r); err != nil {
				return fmt.Errorf("history record %s: %w", c.Spec.Name, err)
			}
			s.history = append(s.history, r)
		}
	}
	slices.SortFunc(s.history, func(a, b record) int { return cmp.Compare(a.Number, b.Number) })
	return nil
}

func (s *state) readOthers(ctx context.Context, api *client.Client, stack string) error {
	networks, err := api.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return err
	}
	for _, n := range networks {
		s.names[n.ID] = n.Name
		if n.Labels[namespaceLabel] == stack {
			s.networks[n.Name] = n.ID
		}
	}
	secrets, err := api.SecretList(ctx, swarm.SecretListOptions{})
	if err != nil {
		return err
	}
	for _, x := range secrets {
		s.names[x.ID] = x.Spec.Name
		if strings.HasPrefix(x.Spec.Name, stack+"_") {
			s.secrets[x.Spec.Name] = x.ID
		}
	}
	volumes, err := api.VolumeList(ctx, volume.ListOptions{})
	for _, v := range volumes.Volumes {
		if strings.HasPrefix(v.Name, stack+"_") {
			s.volumes[v.Name] = true
		}
	}
	return err
}

// String lists what stands, for whoever reads of a false verdict.
func (s *state) String() string {
	if s == nil {
		return "unknown"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "lock %v, journal %v, networks %q, secrets %q, volumes %q\n", s.lock != "", s.journal != "",
		slices.Sorted(maps.Keys(s.networks)), slices.Sorted(maps.Keys(s.secrets)), slices.Sorted(maps.Keys(s.volumes)))
	for _, name := range slices.Sorted(maps.Keys(s.services)) {
		x := s.services[name]
		update := ""
		if u := x.UpdateStatus; u != nil {
			update = string(u.State) + " " + u.Message
		}
		fmt.Fprintf(&b, "  service %s %s %s: %s\n", name, x.Spec.TaskTemplate.ContainerSpec.Image, update, s.taskList(x.ID))
	}
	for _, name := range slices.Sorted(maps.Keys(s.configs)) {
		fmt.Fprintf(&b, "  config %s %q\n", name, s.configs[name].data)
	}
	for _, r := range s.history[max(0, len(s.history)-3):] {
		fmt.Fprintf(&b, "  history %d: %s to %s: %s, %s (%s)\n", r.Number, r.Operation, r.To, r.Verdict, r.State, r.Reason)
	}
	return b.String()
}
