package deployer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// backer puts a stack back to what its journal names.
type backer struct {
	*writer
	journal *Journal
	// whole says that every service is ours to put back, not only those that
	// this writer touched: the journal is of an earlier deploy.
	whole  bool
	hurry  context.Context
	limits Limits
	report func(Event)
	// started is when the deploy began, for what is reported.
	started time.Time
}

// putBack brings the stack back to what its journal names: services that stood
// get their exact specs, services that did not are removed, and with them the
// networks and configs that the failed deploy made. Volumes, migrations and
// whatever the new containers wrote do not come back. A service that this deploy
// never touched and someone else changed meanwhile stays as they want it. One that
// it did touch becomes what it was before the deploy, whoever else changed it
// since: what was scaled by hand during a failed deploy is told, and goes.
//
// Each spec is first written under a neutral update policy: put-back is an
// update like any other, and under the recipe's own failure_action swarm could
// roll it back to the very spec that failed. The exact spec follows in any case,
// also when the old tasks do not come up: what is stored is then right, and what
// runs is for a human.
//
// hurry, when it ends, stops the waiting and not the writing; the answer is
// errNotAwaited then.
func (b *backer) putBack(ctx context.Context) error {
	hurried := b.removeNew(ctx)
	if hurried != nil && !errors.Is(hurried, errNotAwaited) {
		return hurried
	}
	if err := b.restoreObjects(ctx); err != nil {
		return err
	}
	waited, err := b.bringBack(ctx)
	if err != nil {
		return err
	}
	if _, _, err := b.writeBack(ctx, exact); err != nil {
		return err
	}
	if err := b.checkBack(ctx); err != nil {
		return err
	}
	if err := cmp.Or(waited, hurried); err != nil {
		return err
	}
	return b.removeMade(ctx)
}

// patience is a context that hurry ends, too.
func (b *backer) patience(ctx context.Context) (context.Context, context.CancelFunc) {
	waiting, cancel := context.WithCancel(ctx)
	if b.hurry == nil {
		return waiting, cancel
	}
	release := context.AfterFunc(b.hurry, cancel)
	return waiting, func() { release(); cancel() }
}

// bringBack writes the old specs under the neutral policy and waits for their tasks;
// waited is how that ended. Under that policy swarm rolls nothing back by itself: a
// rollback is somebody's hand, and is written over.
func (b *backer) bringBack(ctx context.Context) (waited, err error) {
	for range rollbacksUndone + 1 {
		expectations, names, err := b.writeBack(ctx, neutral)
		if err != nil {
			return nil, err
		}
		if waited = b.waitBack(ctx, expectations, names); !errors.Is(waited, errRolledBack) {
			break
		}
	}
	return waited, nil
}

// rollbacksUndone is how often a put-back writes over a rollback by other hands.
const rollbacksUndone = 2

var errRolledBack = errors.New("rolled back")

// errNotAwaited says that the old specs were written, and that nobody waited
// for their tasks.
var errNotAwaited = errors.New("the old specs are written; their tasks were not waited for")

// ours tells whether a journalled service is one to put back.
func (b *backer) ours(name string) bool { return b.whole || b.touched[name] }

// removeNew removes the services that the journal does not know.
func (b *backer) removeNew(ctx context.Context) error {
	current, err := b.engine.Current(ctx, b.stack, nil)
	if err != nil {
		return err
	}
	removed := map[string]bool{}
	for _, name := range sortedKeys(current.Services) {
		if _, stood := b.journal.Services[name]; stood || !b.ours(name) {
			continue
		}
		if err := b.removeService(ctx, name, current.Services[name].ID); err != nil {
			return err
		}
		removed[current.Services[name].ID] = true
	}
	if len(removed) == 0 {
		return nil
	}
	waiting, cancel := b.patience(ctx)
	defer cancel()
	err = b.engine.awaitGone(waiting, b.stack, removed)
	if err != nil && waiting.Err() != nil && ctx.Err() == nil {
		return errNotAwaited
	}
	return err
}

func (b *backer) waitBack(ctx context.Context, want map[string]Expectation, names map[string]string) error {
	if len(want) == 0 {
		return nil
	}
	offset, err := b.engine.clockOffset(ctx)
	if err != nil {
		return err
	}
	back := watch{
		engine: b.engine, want: want, names: names,
		limits: b.limits.orDefaults(), clock: offset, stage: "put back", report: b.report,
	}
	waiting, stop := b.patience(ctx)
	defer stop()
	end, err := back.run(waiting)
	switch {
	case err != nil:
		return err
	case end.verdict == Stopped && ctx.Err() == nil:
		return errNotAwaited
	case end.verdict == RolledBack:
		return fmt.Errorf("%w by other hands: %s", errRolledBack, end.reason)
	case end.verdict != Converged:
		return errors.New(end.reason)
	}
	return nil
}

// checkBack compares what is stored with the journal, byte by byte but for the
// IDs of what had to be made again.
func (b *backer) checkBack(ctx context.Context) error {
	current, err := b.engine.Current(ctx, b.stack, nil)
	if err != nil {
		return err
	}
	for _, name := range b.journal.names() {
		standing, ok := current.Services[name]
		switch {
		case !b.ours(name):
		case !ok:
			return fmt.Errorf("service %q is not there", name)
		case !sameSpec(standing.Spec, b.back(name)):
			return fmt.Errorf("service %q is not as it was", name)
		}
	}
	for _, name := range sortedKeys(current.Services) {
		if _, stood := b.journal.Services[name]; !stood && b.ours(name) {
			return fmt.Errorf("service %q is new, and still there", name)
		}
	}
	return nil
}

// removeMade takes away the networks and configs of the stack that the journal
// does not know. What something still uses stays, and so does a config that a
// PreviousSpec names, without which a later rollback by hand would end half way:
// the next deploy finds them.
func (b *backer) removeMade(ctx context.Context) error {
	current, err := b.engine.Current(ctx, b.stack, nil)
	if err != nil {
		return err
	}
	if len(b.journal.Services) == 0 {
		if err := sweepContainers(ctx, b.engine.api, b.stack); err != nil {
			return err
		}
	}
	needed := previousConfigs(current)
	for _, name := range sortedKeys(current.Configs) {
		c := current.Configs[name]
		if c.External || needed[c.ID] || slices.Contains(b.journal.Configs, name) {
			continue
		}
		if _, err := b.removeConfig(ctx, name, c.ID); err != nil {
			return err
		}
	}
	for _, name := range sortedKeys(current.Networks) {
		if n := current.Networks[name]; !n.External && !slices.Contains(b.journal.Networks, name) {
			if err := b.removeNetwork(ctx, name, n.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// previousConfigs are the IDs of configs that swarm would roll a service back to.
func previousConfigs(s *Stack) map[string]bool {
	ids := map[string]bool{}
	for _, service := range s.Services {
		if service.Previous == nil || service.Previous.TaskTemplate.ContainerSpec == nil {
			continue
		}
		for _, c := range service.Previous.TaskTemplate.ContainerSpec.Configs {
			ids[c.ConfigID] = true
		}
	}
	return ids
}
