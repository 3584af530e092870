package deployer

import (
	"context"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
)

// How often a watch looks. An event makes it look soon, and again soon after: the
// manager learns of a task a moment after its container's event. Where nothing
// happens the looks become rarer, up to lookLate; a task on another node, whose
// containers' events do not come here, is seen that late.
const (
	lookSoon = 200 * time.Millisecond
	lookLate = time.Second
)

// pace spaces the looks of one watch.
type pace struct {
	gap  time.Duration
	last map[string]step
}

// step is what of a service's progress makes the next look come sooner.
type step struct {
	phase          Phase
	running, slots int
}

// next is how long to wait for an event until the next look, after one that saw
// progress at now, by the swarm's clock. At the moment at which a service settles
// there is a look: nothing else would happen then.
func (p *pace) next(progress map[string]Progress, now time.Time) time.Duration {
	seen, moved := map[string]step{}, len(progress) != len(p.last)
	var settles time.Duration
	for name, s := range progress {
		seen[name] = step{s.Phase, s.Running, s.Slots}
		moved = moved || seen[name] != p.last[name]
		if s.Phase == Settling {
			settles = max(settles, s.Settles.Sub(now))
		}
	}
	p.last = seen
	if p.gap = min(p.gap*3/2, lookLate); moved || p.gap < lookSoon {
		p.gap = lookSoon
	}
	if settles > 0 && settles < p.gap {
		return settles + time.Millisecond
	}
	return p.gap
}

// wait waits for the next look. After an event it waits lookSoon all the same, so
// that a burst of them is one look.
func (p *pace) wait(ctx context.Context, changed <-chan struct{}, progress map[string]Progress, now time.Time) {
	timer := time.NewTimer(p.next(progress, now))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-changed:
		p.gap = 0
		_ = pause(ctx, lookSoon)
		select { // what came meanwhile is of the same burst
		case <-changed:
		default:
		}
	}
}

// serviceLabel is what a task's container says of its service.
const serviceLabel = "com.docker.swarm.service.id"

// listen signals that something happened to the watched services, or to one of
// their containers on the node that the connection ends at. It is a hint to look
// sooner: while there is no stream, looking goes on by the clock.
func (w *watch) listen(ctx context.Context) <-chan struct{} {
	changed := make(chan struct{}, 1)
	// The engine takes one label to ask for: whose containers they are is seen here.
	args := filters.NewArgs(filters.Arg("type", string(events.ServiceEventType)), filters.Arg("type", string(events.ContainerEventType)))
	for _, action := range []events.Action{events.ActionUpdate, events.ActionRemove, events.ActionStart, events.ActionDie, events.ActionHealthStatus} {
		args.Add("event", string(action))
	}
	services := map[string]bool{}
	for id := range w.want {
		services[id] = true
	}
	go func() {
		for ctx.Err() == nil {
			w.relay(ctx, args, services, changed)
			_ = pause(ctx, lookLate) // the engine restarts, or another manager takes over
		}
	}()
	return changed
}

// relay passes on the events of one stream, until it ends.
func (w *watch) relay(ctx context.Context, args filters.Args, services map[string]bool, changed chan<- struct{}) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	messages, errs := w.engine.api.Events(ctx, events.ListOptions{Filters: args})
	for {
		select {
		case m := <-messages:
			if !services[m.Actor.ID] && !services[m.Actor.Attributes[serviceLabel]] {
				continue
			}
			select {
			case changed <- struct{}{}:
			default:
			}
		case <-errs:
			return
		}
	}
}
