package deployer

import (
	"context"
	"time"

	"github.com/docker/docker/api/types/swarm"
)

// bring writes, watches and verifies.
func (d *deploy) bring(ctx context.Context) Outcome {
	if err := d.apply(ctx); err != nil {
		return d.ended(ctx, Failed, err.Error())
	}
	w := watch{
		engine: d.engine, want: d.want, names: d.names,
		limits: d.limits.orDefaults(), clock: d.clock, stage: "watch", report: d.reporter(),
	}
	end, err := w.run(ctx)
	if err != nil {
		return d.ended(ctx, Failed, err.Error())
	}
	if end.verdict != Converged {
		outcome := d.ended(ctx, end.verdict, end.reason)
		after, stop := d.untilAbort(ctx)
		defer stop()
		outcome.Failures = d.engine.failures(after, end.progress, d.known)
		outcome.explain()
		return outcome
	}
	if err := d.removeUnwanted(ctx); err != nil {
		return d.ended(ctx, Failed, err.Error())
	}
	d.say("verify", "comparing what runs with the entry")
	observed, err := d.engine.observe(ctx, d.desired, true)
	switch {
	case err != nil:
		return d.ended(ctx, Unverified, err.Error())
	case len(observed.Problems) > 0:
		return d.ended(ctx, Unverified, observed.Problems[0])
	}
	d.after = observed.current
	outcome := newOutcome(Converged, StateNew, "")
	outcome.Dropped, outcome.Observed, outcome.Requested = observed.Dropped, observed.Containers, observed.Requested
	outcome.NotReached = observed.NotReached
	outcome.UnusedSecrets = unusedSecrets(d.desired, d.after)
	return outcome
}

// reporter shows events with what looks like a secret masked: a health check may
// print its configuration.
func (d *deploy) reporter() func(Event) {
	if d.options.Report == nil {
		return nil
	}
	return func(e Event) {
		e.Health, e.Message = d.desired.mask.text(e.Health), d.desired.mask.text(e.Message)
		d.options.Report(e)
	}
}

// ended is an outcome before the put-back. A cancelled context makes any
// failure an interruption.
func (d *deploy) ended(ctx context.Context, verdict Verdict, reason string) Outcome {
	if ctx.Err() != nil {
		verdict, reason = Stopped, "interrupted by the user"
	}
	return newOutcome(verdict, StateUnknown, reason)
}

// apply makes the plan's writes: networks, configs, then all services at once
// without waiting between them; removals come after the watch.
func (d *deploy) apply(ctx context.Context) error {
	for _, change := range d.plan.Changes {
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		switch {
		case change.Action == Create && change.Kind == "network":
			err = d.createNetwork(ctx, d.desired.Stack.Networks[change.Name])
		case change.Action == Create && change.Kind == "config":
			err = d.createConfig(ctx, d.desired.Stack.Configs[change.Name])
		case change.Kind == "service" && change.Action != Remove:
			err = d.applyService(ctx, change)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *deploy) applyService(ctx context.Context, change Change) error {
	standing := d.before.Services[change.Name]
	spec := d.desired.spec(change.Name, standing.Spec)
	want := Expectation{Prior: startOf(standing.Update), Known: d.known, Restarts: change.Restarts, Monitor: monitorOf(spec), Job: isJob(spec), Guarded: true}
	id := standing.ID
	var err error
	switch {
	case change.Action == Keep:
		want.Previous = standing.Previous
	case change.Action == Create:
		want.New, want.Restarts = true, true
		id, err = d.createService(ctx, spec)
	case !sameMode(standing.Spec.Mode, spec.Mode):
		// Swarm refuses to change a mode: the service is made anew.
		if err = d.makeWay(ctx, change.Name, standing.ID); err == nil {
			want.New, want.Restarts = true, true
			id, err = d.createService(ctx, spec)
		}
	default:
		// What the plan leaves alone stays as it is stored, or tasks would be
		// replaced that it promised not to touch.
		next := nextSpec(spec, standing.Spec, d.before.Names(), d.before.API)
		if d.desired.Restart[change.Name] {
			next.TaskTemplate.ForceUpdate++
		}
		want.Previous = &standing.Spec
		err = d.updateService(ctx, standing, next)
	}
	if err != nil {
		return err
	}
	d.want[id], d.names[id] = want, change.Name
	if change.Action != Keep {
		d.say("apply", "%s service %s", change.Action, change.Name)
	}
	return nil
}

// defaultMonitor is swarm's own, for specs that name none.
const defaultMonitor = 5 * time.Second

func monitorOf(spec swarm.ServiceSpec) time.Duration {
	if u := spec.UpdateConfig; u != nil && u.Monitor > 0 {
		return u.Monitor
	}
	return defaultMonitor
}

// removeUnwanted takes away what the new version does not have any more, once
// the rest runs: until then the old services keep serving.
func (d *deploy) removeUnwanted(ctx context.Context) error {
	removed := map[string]bool{}
	for _, change := range d.plan.Changes {
		if change.Action != Remove {
			continue
		}
		var err error
		switch change.Kind {
		case "service":
			id := d.before.Services[change.Name].ID
			removed[id] = true
			err = d.removeService(ctx, change.Name, id)
		case "network":
			err = d.removeNetwork(ctx, change.Name, d.before.Networks[change.Name].ID)
		}
		if err != nil {
			return err
		}
		d.say("apply", "remove %s %s", change.Kind, change.Name)
	}
	if len(removed) == 0 {
		return nil
	}
	return d.engine.awaitGone(ctx, d.stack, removed)
}
