package deployer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/swarm"

	"github.com/galley-coop/galley/catalogue"
)

// Observed is what a look at the running stack found.
type Observed struct {
	// Containers counts the running containers whose image was compared with
	// the entry, Requested those on nodes this connection cannot look into: for
	// them only the stored spec speaks.
	Containers int `json:"containers"`
	Requested  int `json:"requested"`
	// Looked are the nodes whose containers were compared, NotReached those where
	// they could not be, and the ways that led to no node of the swarm.
	Looked     []Looked     `json:"looked"`
	NotReached []NotReached `json:"not_reached"`
	// Problems are what is not as the entry says, one line each.
	Problems []string `json:"problems"`
	// Dropped are wanted fields that the engine did not store: it is older than
	// the recipe expects.
	Dropped []string `json:"dropped"`
	// Notes are what is no difference and worth knowing, one line each.
	Notes []string `json:"notes"`

	current *Stack // what was compared
}

// Observe compares three things that must agree: the wanted stack, the specs
// the swarm stores, and the containers that run. It changes nothing.
func (e *Engine) Observe(ctx context.Context, desired *Desired) (Observed, error) {
	return e.compare(ctx, desired, false, nil)
}

// observe is Observe; written says that the wanted specs were written this very
// moment and under the lock.
func (e *Engine) observe(ctx context.Context, desired *Desired, written bool) (Observed, error) {
	return e.compare(ctx, desired, written, nil)
}

// compare is observe; status, unless nil, tells who changed what differs.
func (e *Engine) compare(ctx context.Context, desired *Desired, written bool, status *Status) (Observed, error) {
	o := Observed{Problems: []string{}, Dropped: []string{}, Notes: []string{}, Looked: []Looked{}, NotReached: []NotReached{}}
	current, err := e.Current(ctx, desired.Stack.Name, desired.Stack)
	if err != nil {
		return o, err
	}
	o.current = current
	desired = desired.against(current)
	done := *desired
	done.Restart = nil // it is over
	plan, blocked := NewPlan(&done, current)
	if blocked != nil && (written || plan == nil) {
		return o, blocked
	}
	o.Dropped = append(o.Dropped, droppedWarnings(desired.Stack, current.API)...)
	for _, change := range plan.Changes {
		o.addDrift(change, written, status)
	}
	if !written {
		o.addMissing(desired, current)
		o.addForeign(desired, current)
	}
	if blocked != nil && len(o.Problems) == 0 {
		o.Problems = append(o.Problems, oneLine(blocked.Error()))
	}
	if err := e.observeContainers(ctx, desired, current, &o); err != nil {
		return o, fmt.Errorf("looking at the running containers: %w", err)
	}
	return o, nil
}

// addDrift tells a field that the engine dropped from one that someone changed.
// A field that was written this moment and is not there at all was dropped;
// later, someone may have taken it away.
func (o *Observed) addDrift(change Change, written bool, status *Status) {
	switch change.Action {
	case Keep:
		return
	case Create:
		o.Problems = append(o.Problems, fmt.Sprintf("%s %s is missing", change.Kind, change.Name))
		return
	case Remove:
		o.Problems = append(o.Problems, fmt.Sprintf("%s %s is not in the entry", change.Kind, change.Name))
		return
	}
	asks, by := status.blame(change.Name)
	for _, field := range change.Fields {
		if field.Old == "" && written {
			o.Dropped = append(o.Dropped, fmt.Sprintf("%s %s: %s", change.Kind, change.Name, field.Path))
			continue
		}
		if field.Path == "Labels["+LabelEntry+"]" {
			o.Problems = append(o.Problems, fmt.Sprintf("service %s was deployed from entry %s, the catalogue publishes %s for that version", change.Name, shortEntry(field.Old), shortEntry(field.New)))
			continue
		}
		o.Problems = append(o.Problems, fmt.Sprintf("%s %s: %s is %s, %s %s%s", change.Kind, change.Name, field.Path, orNone(field.Old), asks, orNone(field.New), by))
	}
}

// blame says who asks for something else than a service has, and who gave it what
// it has. Only the env file can ask for another thing than the last deploy wrote,
// when nobody changed the service since, by the swarm's clock.
func (s *Status) blame(service string) (asks, by string) {
	switch {
	case s == nil || s.Last == nil || s.Entry == "" || s.Last.Operation == OpAdopt:
		return "the entry says", ""
	case slices.Contains(s.touched(), service):
		return "the entry says", " (somebody changed it after the last " + string(cmp.Or(s.Last.Operation, OpDeploy)) + ")"
	}
	return "the env file asks for", ""
}

func shortEntry(digest string) string {
	if digest == "" {
		return "(none)"
	}
	return digest[:min(12, len(digest))]
}

// addMissing names what a deploy would expect to be there.
func (o *Observed) addMissing(desired *Desired, current *Stack) {
	for _, s := range desired.Secrets {
		if _, ok := current.Secrets[s.Name]; !ok {
			o.Problems = append(o.Problems, fmt.Sprintf("secret %s is missing", s.Name))
		}
	}
	for _, name := range sortedKeys(desired.Stack.Networks) {
		if _, ok := current.Networks[name]; !ok && desired.Stack.Networks[name].External && !predefined(name) {
			o.Problems = append(o.Problems, fmt.Sprintf("external network %s is missing", name))
		}
	}
	for _, name := range sortedKeys(desired.Stack.Configs) {
		if _, ok := current.Configs[name]; !ok && desired.Stack.Configs[name].External {
			o.Problems = append(o.Problems, fmt.Sprintf("external config %s is missing", name))
		}
	}
}

// addForeign names what carries the stack's label and is none of this version's.
// Services and networks of that kind are in the plan. Older versions of a config
// are kept for the way back, and no news.
func (o *Observed) addForeign(desired *Desired, current *Stack) {
	for _, name := range sortedKeys(current.Configs) {
		if _, ok := desired.Stack.Configs[name]; !ok && !current.Configs[name].External && !isOlderConfig(name, desired.Stack.Configs) {
			o.Notes = append(o.Notes, fmt.Sprintf("config %s carries the stack's label and is none of this version's", name))
		}
	}
	for _, name := range sortedKeys(current.Secrets) {
		wanted := slices.ContainsFunc(desired.Secrets, func(s SecretSpec) bool { return s.Name == name })
		if !wanted && !current.Secrets[name].External {
			o.Notes = append(o.Notes, fmt.Sprintf("secret %s carries the stack's label and is none of this version's", name))
		}
	}
	for _, name := range sortedKeys(current.Volumes) {
		if _, ok := desired.Stack.Volumes[name]; !ok {
			o.Notes = append(o.Notes, fmt.Sprintf("volume %s carries the stack's label and is none of this version's", name))
		}
	}
}

// isOlderConfig tells a name that differs from a wanted one in what stands behind
// its last "_" alone, where recipes have the version.
func isOlderConfig(name string, wanted map[string]Config) bool {
	stem := func(s string) string { return s[:max(0, strings.LastIndex(s, "_"))] }
	for other := range wanted {
		if stem(name) == stem(other) {
			return true
		}
	}
	return false
}

func orNone(value string) string { return cmp.Or(value, "(none)") }

// looks is how often containers are looked at, when some ended between the
// listing of their tasks and the look.
const looks = 5

func (e *Engine) observeContainers(ctx context.Context, desired *Desired, current *Stack, o *Observed) error {
	if len(current.Services) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	problems, missed := o.Problems, 0
	for range looks {
		o.Containers, o.Requested, o.Problems = 0, 0, slices.Clone(problems)
		var err error
		if missed, err = e.lookAtContainers(ctx, desired, current, o); err != nil || missed == 0 {
			return err
		}
		if err := pause(ctx, lookAgain); err != nil {
			return err
		}
	}
	o.Problems = append(o.Problems, fmt.Sprintf("%d of the containers that swarm lists as running have ended", missed))
	return nil
}

func (e *Engine) lookAtContainers(ctx context.Context, desired *Desired, current *Stack, o *Observed) (missed int, err error) {
	tasks, err := e.tasksOf(ctx, current)
	if err != nil {
		return 0, err
	}
	names := map[string]string{}
	for name, s := range current.Services {
		names[s.ID] = name
	}
	running := map[string][]seat{}
	for _, task := range tasks {
		image, ok := desired.Images[names[task.ServiceID]]
		status := task.Status.ContainerStatus
		if !ok || task.Status.State != swarm.TaskStateRunning || task.DesiredState != swarm.TaskStateRunning || status == nil {
			continue
		}
		running[task.NodeID] = append(running[task.NodeID], seat{names[task.ServiceID], status.ContainerID, image})
	}
	return e.lookAtNodes(ctx, running, o)
}

// vouched tells whether an engine's image ID is one of the entry's. Engines
// with the classic store call an image by its config digest, those with
// containerd's by the digest of the manifest or the index.
func vouched(image catalogue.Image, id string) bool {
	if id == "" {
		return false
	}
	if id == image.Digest {
		return true
	}
	for _, p := range image.Platforms {
		if id == p.Config || id == p.Manifest {
			return true
		}
	}
	return false
}
