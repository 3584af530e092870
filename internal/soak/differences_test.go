package soak

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/swarm"
)

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
