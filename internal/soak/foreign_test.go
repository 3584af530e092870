package soak

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/docker/docker/api/types/swarm"
)

// foreignLabel is what other hands put on a service.
const foreignLabel = "other.hands"

// byOtherHands does to the stack what another operator might do by hand, in the
// middle of a deploy, and notes what the judgement must then leave out.
func (a *app) byOtherHands(ctx context.Context, r *ran) error {
	now, err := observe(ctx, a.api, a.stack)
	if err != nil {
		return err
	}
	switch r.step.fault {
	case lockRemoved:
		if now.lock == "" {
			return errors.New("there is no lock")
		}
		return a.api.ConfigRemove(ctx, now.lock)
	case configRemoved:
		r.ignore.unused = true
		return a.removeUnused(ctx, now)
	}
	names := slices.Sorted(maps.Keys(now.services))
	if len(names) == 0 {
		return errors.New("there is no service")
	}
	service := now.services[names[r.step.pick%len(names)]]
	r.note = "it was " + service.Spec.Name
	switch r.step.fault {
	case serviceRemoved:
		r.ignore.gone = service.Spec.Name
		return a.api.ServiceRemove(ctx, service.ID)
	case foreignLabels:
		r.ignore.label = true
		service.Spec.Labels = maps.Clone(service.Spec.Labels)
		service.Spec.Labels[foreignLabel] = "here"
	case foreignScale:
		if service.Spec.Mode.Replicated == nil {
			return errors.New("it has no replicas")
		}
		three := uint64(3)
		r.ignore.replicas = true
		service.Spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: &three}
	case foreignRollback:
		if service.PreviousSpec == nil {
			return errors.New("it has no previous spec")
		}
		r.ignore.rolled = service.Spec.Name
		_, err := a.api.ServiceUpdate(ctx, service.ID, service.Version, service.Spec, swarm.ServiceUpdateOptions{Rollback: "previous"})
		return err
	}
	_, err = a.api.ServiceUpdate(ctx, service.ID, service.Version, service.Spec, swarm.ServiceUpdateOptions{})
	return err
}

// removeUnused removes the configs that no spec names at the moment.
func (a *app) removeUnused(ctx context.Context, now *state) error {
	used := now.named(func(x swarm.Service) *swarm.ServiceSpec { return &x.Spec })
	removed := 0
	for _, name := range slices.Sorted(maps.Keys(now.configs)) {
		if !used[name] && a.api.ConfigRemove(ctx, now.configs[name].id) == nil {
			removed++
		}
	}
	if removed == 0 {
		return fmt.Errorf("all %d configs are in use", len(now.configs))
	}
	return nil
}
