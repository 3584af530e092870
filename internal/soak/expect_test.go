package soak

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"
)

// references are the specs of each good version as its first clean deploy left
// them, in a form that is the same for all stacks.
type references struct {
	mu    sync.Mutex
	specs map[string]map[string]string // version to service to spec
}

var digest = regexp.MustCompile(`@sha256:[0-9a-f]{64}`)
var entryLabel = regexp.MustCompile(`"galley.entry": "[^"]*"`)

// portable is a spec without what differs from stack to stack.
func portable(spec, stack, recipe string) string {
	spec = strings.ReplaceAll(strings.ReplaceAll(spec, stack, "STACK"), recipe, "RECIPE")
	spec = digest.ReplaceAllString(spec, "@DIGEST")
	return entryLabel.ReplaceAllString(spec, `"galley.entry": "ENTRY"`)
}

// learn keeps what stands as the reference of a version, unless there is one.
func (r *references) learn(version, stack, recipe string, s *state) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.specs[version] != nil {
		return
	}
	r.specs[version] = map[string]string{}
	for name := range s.services {
		r.specs[version][strings.TrimPrefix(name, stack+"_")] = portable(s.spec(name, tolerance{}), stack, recipe)
	}
}

// unlike tells how a stack's specs differ from the reference of a version.
func (r *references) unlike(version, stack, recipe string, s *state, ignore tolerance) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	reference := r.specs[version]
	if reference == nil {
		return nil // by hand alone
	}
	var found []string
	for name := range s.services {
		short := strings.TrimPrefix(name, stack+"_")
		got, want := portable(s.spec(name, ignore), stack, recipe), reference[short]
		if ignore.replicas {
			continue // the number of replicas is checked by nobody then
		}
		if got != want {
			found = append(found, fmt.Sprintf("service %s is not as version %s was first deployed: %s", name, version, firstDifference(want, got)))
		}
	}
	return found
}

// isVersion tells how what stands differs from a version, as the observer knows it
// by hand: services, images by digest, modes, replicas, networks, configs, secrets.
func (s *state) isVersion(v version, stack, recipe string, images map[string]image, ignore tolerance) []string {
	var found []string
	say := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	registry := theStage.registry.Addr
	if len(s.services) != len(v.services) {
		say("there are the services %q, and version %s has %q", slices.Sorted(maps.Keys(s.services)), v.name, slices.Sorted(maps.Keys(v.services)))
	}
	networks := map[string]bool{}
	for _, short := range slices.Sorted(maps.Keys(v.services)) {
		want := v.services[short]
		x, ok := s.services[stack+"_"+short]
		if !ok || x.Spec.TaskTemplate.ContainerSpec == nil {
			say("service %s is not there", short)
			continue
		}
		container := x.Spec.TaskTemplate.ContainerSpec
		if image := registry + "/" + recipe + ":" + want.tag + "@" + images[recipe+":"+want.tag].digest; container.Image != image {
			say("service %s has the image %s, expected %s", short, container.Image, image)
		}
		if !slices.Contains(container.Env, "NOTE="+or(want.note, want.tag)) || !slices.Contains(container.Env, "MODE="+or(want.mode, "serve")) {
			say("service %s has the environment %q", short, container.Env)
		}
		switch replicated := x.Spec.Mode.Replicated; {
		case want.global != (x.Spec.Mode.Global != nil):
			say("service %s is global: %v, expected %v", short, x.Spec.Mode.Global != nil, want.global)
		case !want.global && !ignore.replicas && (replicated == nil || replicated.Replicas == nil || int(*replicated.Replicas) != max(want.replicas, 1)):
			say("service %s has not %d replicas", short, max(want.replicas, 1))
		}
		found = append(found, s.attachments(stack, short, want, x.Spec)...)
		for _, n := range want.attached() {
			networks[stack+"_"+n] = true
		}
		if short == "app" {
			found = append(found, s.files(stack, v, container)...)
		}
	}
	if got := slices.Sorted(maps.Keys(s.networks)); !slices.Equal(got, slices.Sorted(maps.Keys(networks))) {
		say("there are the networks %q, expected %q", got, slices.Sorted(maps.Keys(networks)))
	}
	return found
}

func (s *state) attachments(stack, short string, want service, spec swarm.ServiceSpec) []string {
	var got, expected []string
	for _, n := range spec.TaskTemplate.Networks {
		got = append(got, s.names[n.Target])
	}
	for _, n := range want.attached() {
		expected = append(expected, stack+"_"+n)
	}
	slices.Sort(got)
	slices.Sort(expected)
	if !slices.Equal(got, expected) {
		return []string{fmt.Sprintf("service %s is attached to %q, expected %q", short, got, expected)}
	}
	return nil
}

func (s *state) files(stack string, v version, c *swarm.ContainerSpec) []string {
	name := stack + "_conf_" + v.conf
	if len(c.Configs) != 1 || c.Configs[0].ConfigName != name || s.configs[name].data != conf(v.conf) || s.configs[name].id != c.Configs[0].ConfigID {
		return []string{fmt.Sprintf("app has not the config %s with its contents, but %q", name, s.configs[name].data)}
	}
	secret := stack + "_token_v1"
	if len(c.Secrets) != 1 || c.Secrets[0].SecretName != secret || s.secrets[secret] != c.Secrets[0].SecretID {
		return []string{"app has not the secret " + secret}
	}
	return nil
}

// up tells which services do not run all that they should, with the image that
// their spec names.
func (s *state) up(ctx context.Context, api *client.Client, images map[string]image) ([]string, error) {
	var found []string
	for name, x := range s.services {
		want := 1
		if r := x.Spec.Mode.Replicated; r != nil && r.Replicas != nil {
			want = int(*r.Replicas)
		}
		running := 0
		for _, task := range s.tasks[x.ID] {
			if task.Status.State != swarm.TaskStateRunning || task.DesiredState != swarm.TaskStateRunning || task.Status.ContainerStatus == nil {
				continue
			}
			wanted := x.Spec.TaskTemplate.ContainerSpec.Image
			if task.Spec.ContainerSpec.Image != wanted {
				continue
			}
			inspected, err := api.ContainerInspect(ctx, task.Status.ContainerStatus.ContainerID)
			if err != nil {
				return nil, fmt.Errorf("observing a container of %s: %w", name, err)
			}
			if id := idOf(images, wanted); inspected.Image != id {
				found = append(found, fmt.Sprintf("service %s: a container runs the image %s, expected %s", name, inspected.Image, id))
				continue
			}
			if inspected.State == nil || !inspected.State.Running || inspected.State.Health != nil && inspected.State.Health.Status != "healthy" {
				continue
			}
			running++
		}
		if running != want {
			found = append(found, fmt.Sprintf("service %s runs %d tasks, expected %d; %s", name, running, want, s.taskList(x.ID)))
		}
	}
	return found, nil
}

func (s *state) taskList(id string) string {
	var all []string
	for _, t := range s.tasks[id] {
		all = append(all, fmt.Sprintf("%s wanted %s is %s %s", t.ID[:6], t.DesiredState, t.Status.State, t.Status.Err))
	}
	return strings.Join(all, "; ")
}

// idOf is the ID that an image pinned by the digest of its index has on an engine.
func idOf(images map[string]image, reference string) string {
	_, pinned, _ := strings.Cut(reference, "@")
	for _, i := range images {
		if i.digest == pinned {
			return i.config
		}
	}
	return "(none known)"
}
