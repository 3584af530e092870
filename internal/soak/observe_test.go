package soak

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
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

// spec is a service's spec as text, with names for IDs, and without what foreign
// hands may have put there while galley did not look.
func (s *state) spec(name string, ignore tolerance) string {
	spec := s.services[name].Spec
	spec.Labels = maps.Clone(spec.Labels)
	if ignore.label {
		delete(spec.Labels, foreignLabel)
	}
	if ignore.replicas && spec.Mode.Replicated != nil {
		spec.Mode.Replicated = nil
	}
	data, err := json.MarshalIndent(spec, "", " ")
	if err != nil {
		return err.Error()
	}
	text := string(data)
	for _, id := range slices.Sorted(maps.Keys(s.names)) {
		if s.names[id] != "" {
			text = strings.ReplaceAll(text, `"`+id+`"`, `"`+s.names[id]+`"`)
		}
	}
	return text
}

// previous is the spec that swarm would roll a service back to.
func (s *state) previous(name string) string {
	x := s.services[name]
	if x.PreviousSpec == nil {
		return ""
	}
	x.Spec = *x.PreviousSpec
	alone := &state{services: map[string]swarm.Service{name: x}, names: s.names}
	return alone.spec(name, tolerance{})
}

// tolerance is what does not count in a comparison of specs: what others did by hand.
type tolerance struct {
	label, replicas bool
	unused          bool   // configs that no spec named before may be away
	gone            string // a service that may be away
	rolled          string // a service that may have its previous spec
}

// byHand tells that services are not as galley wrote them.
func (t tolerance) byHand() bool {
	t.unused = false
	return t != tolerance{}
}

// differences tells how two states of a stack differ, for an operator: specs,
// contents of configs that specs use, networks, secrets, volumes. Nothing where they
// are the same. A config that only a PreviousSpec names may have come.
func differences(before, after *state, ignore tolerance) []string {
	var found []string
	say := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	for _, name := range union(before.services, after.services) {
		_, was := before.services[name]
		_, is := after.services[name]
		switch {
		case was && !is && name == ignore.gone:
		case was != is:
			say("service %s: was there %v, is there %v", name, was, is)
		case name == ignore.rolled && after.spec(name, ignore) == before.previous(name):
		case before.spec(name, ignore) != after.spec(name, ignore):
			say("service %s: %s", name, firstDifference(before.spec(name, ignore), after.spec(name, ignore)))
		}
	}
	used := before.named(func(x swarm.Service) *swarm.ServiceSpec { return &x.Spec })
	previous := after.named(func(x swarm.Service) *swarm.ServiceSpec { return x.PreviousSpec })
	for _, name := range union(before.configs, after.configs) {
		was, is := before.configs[name], after.configs[name]
		came, went := was.id == "" && previous[name], is.id == "" && ignore.unused && !used[name]
		if was.data != is.data && !came && !went {
			say("config %s: was %q, is %q", name, was.data, is.data)
		}
	}
	for _, name := range union(before.networks, after.networks) {
		if (before.networks[name] == "") != (after.networks[name] == "") {
			say("network %s: was %q, is %q", name, before.networks[name], after.networks[name])
		}
	}
	return append(found, lost(before, after)...)
}

// lost tells what must never go: secrets, and volumes.
func lost(before, after *state) []string {
	var found []string
	for name, id := range before.secrets {
		if after.secrets[name] != id {
			found = append(found, fmt.Sprintf("secret %s: was %q, is %q", name, id, after.secrets[name]))
		}
	}
	for name := range before.volumes {
		if !after.volumes[name] {
			found = append(found, "volume "+name+" is gone")
		}
	}
	return found
}

// named are the names of the configs that the specs name which of picks.
func (s *state) named(of func(swarm.Service) *swarm.ServiceSpec) map[string]bool {
	names := map[string]bool{}
	for _, x := range s.services {
		spec := of(x)
		if spec == nil || spec.TaskTemplate.ContainerSpec == nil {
			continue
		}
		for _, c := range spec.TaskTemplate.ContainerSpec.Configs {
			names[c.ConfigName] = true
		}
	}
	return names
}

func union[V any](a, b map[string]V) []string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

// firstDifference shows the lines from which on two texts differ.
func firstDifference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	at := 0
	for at < min(len(x), len(y)) && x[at] == y[at] {
		at++
	}
	part := func(lines []string) string {
		return strings.Join(lines[min(max(at-3, 0), len(lines)):min(at+4, len(lines))], " ")
	}
	return "line " + fmt.Sprint(at+1) + ": " + squeeze.ReplaceAllString(part(x), " ") + "  →  " + squeeze.ReplaceAllString(part(y), " ")
}

var squeeze = regexp.MustCompile(`\s+`)

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
