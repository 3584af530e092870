package deployer

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/docker/docker/api/types/swarm"
)

// policy makes of a journalled spec the one that is written.
type policy func(swarm.ServiceSpec) swarm.ServiceSpec

// exact is the journalled spec itself.
func exact(spec swarm.ServiceSpec) swarm.ServiceSpec { return spec }

// neutral is the spec under an update policy that goes straight on. A job has
// none, and swarm refuses to give it one.
func neutral(spec swarm.ServiceSpec) swarm.ServiceSpec {
	if isJob(spec) {
		return spec
	}
	order := swarm.UpdateOrderStopFirst
	if spec.UpdateConfig != nil && spec.UpdateConfig.Order != "" {
		order = spec.UpdateConfig.Order // an app that has no gap in service keeps none
	}
	spec.UpdateConfig = &swarm.UpdateConfig{
		FailureAction: swarm.UpdateFailureActionContinue, Order: order, Monitor: time.Second, MaxFailureRatio: 1,
	}
	return spec
}

// writeBack writes every journalled spec of ours that does not stand already,
// and says what a watch should wait for.
func (b *backer) writeBack(ctx context.Context, under policy) (map[string]Expectation, map[string]string, error) {
	current, err := b.engine.Current(ctx, b.stack, nil)
	if err != nil {
		return nil, nil, err
	}
	known, err := b.engine.taskIDs(ctx, current)
	if err != nil {
		return nil, nil, err
	}
	expectations, names := map[string]Expectation{}, map[string]string{}
	for _, name := range b.journal.names() {
		if !b.ours(name) {
			continue
		}
		standing, stands := current.Services[name]
		b.tellForeign(standing, b.back(name), current)
		id, want, err := b.writeOne(ctx, standing, stands, b.back(name), under)
		for err != nil && b.remakeNetwork(ctx, err) {
			id, want, err = b.writeOne(ctx, standing, stands, b.back(name), under)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("putting back: %w", err)
		}
		if !slices.Contains(b.journal.Unwell, name) {
			want.Known = known
			expectations[id], names[id] = want, name
		}
	}
	return expectations, names, nil
}

func (b *backer) writeOne(ctx context.Context, standing Service, stands bool, spec swarm.ServiceSpec, under policy) (string, Expectation, error) {
	written := under(spec)
	switch {
	case stands && sameSpec(standing.Spec, spec) && isQuiet(standing.Update):
		// Never written over, or swarm itself brought it back.
		return standing.ID, Expectation{Prior: startOf(standing.Update), Job: isJob(spec)}, nil
	case stands && sameMode(standing.Spec.Mode, spec.Mode):
		err := b.overwrite(ctx, standing, written, b.login(spec), func(swarm.ServiceSpec) error { return nil })
		restarts := !sameTask(standing.Spec, spec)
		return standing.ID, Expectation{Prior: startOf(standing.Update), Restarts: restarts, Monitor: time.Second, Job: isJob(spec)}, err
	case stands: // swarm does not change a mode
		if err := b.makeWay(ctx, spec.Name, standing.ID); err != nil {
			return "", Expectation{}, err
		}
	}
	id, err := b.create(ctx, written, b.login(spec))
	return id, Expectation{New: true, Restarts: true, Monitor: time.Second, Job: isJob(spec)}, err
}

// tellForeign says when a service is neither as this deploy wrote it nor as it was
// before: somebody else changed it meanwhile.
func (b *backer) tellForeign(standing Service, spec swarm.ServiceSpec, current *Stack) {
	written, ok := b.written[spec.Name]
	if !ok || standing.ID == "" || sameSpec(standing.Spec, spec) {
		return
	}
	names := current.Names()
	stored := flatten(supported(canonical(standing.Spec, names), current.API))
	if !maps.Equal(stored, flatten(supported(canonical(written, names), current.API))) {
		b.tell("service %s was changed by someone else meanwhile; it becomes what it was before the deploy", spec.Name)
	}
}

// isQuiet tells that swarm has nothing left to do for an update. One that is
// paused will not go on by itself, and one that swarm rolls back may still be
// paused half way: both are written over.
func isQuiet(u *swarm.UpdateStatus) bool {
	return u == nil || u.State == "" || u.State == swarm.UpdateStateCompleted || u.State == swarm.UpdateStateRollbackCompleted
}

// login is the image's credentials. Put-back goes on without them: the image is
// on the node that ran it.
func (w *writer) login(spec swarm.ServiceSpec) string {
	if w.credentials == nil || spec.TaskTemplate.ContainerSpec == nil {
		return ""
	}
	auth, err := w.credentials(spec.TaskTemplate.ContainerSpec.Image)
	if err != nil {
		return ""
	}
	return auth
}

func sameTask(a, b swarm.ServiceSpec) bool {
	return sameSpec(swarm.ServiceSpec{TaskTemplate: a.TaskTemplate}, swarm.ServiceSpec{TaskTemplate: b.TaskTemplate})
}
